package list

import (
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// coding guesses how a text is encoded from its beginning, and returns what makes UTF-8 of it; nil: it is UTF-8.
// UTF-16 is told by its mark or by every other byte being zero. Windows-1252 (Latin-1 and what Windows puts in its gaps)
// is told by bytes that are no UTF-8 being more frequent than letters that are; a few of them are damage, not a coding.
func coding(sample []byte) func(io.Reader) io.Reader {
	little, big := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	switch {
	case bytes.HasPrefix(sample, []byte{0xff, 0xfe}):
		return decoder(little)
	case bytes.HasPrefix(sample, []byte{0xfe, 0xff}):
		return decoder(big)
	case bytes.HasPrefix(sample, []byte{0xef, 0xbb, 0xbf}):
		return nil
	}
	if n := min(len(sample), 64) &^ 1; n >= 4 {
		var zero [2]int
		for i, c := range sample[:n] {
			if c == 0 {
				zero[i%2]++
			}
		}
		switch {
		case zero[1] == n/2 && zero[0] == 0:
			return decoder(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
		case zero[0] == n/2 && zero[1] == 0:
			return decoder(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM))
		}
	}
	good, bad := 0, 0
	for rest := sample; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1 && len(rest) < utf8.UTFMax && !utf8.FullRune(rest): // cut by the sample's end
			rest = nil
			continue
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		rest = rest[n:]
	}
	if bad > good {
		return decoder(charmap.Windows1252)
	}
	return nil
}

func decoder(e encoding.Encoding) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader { return e.NewDecoder().Reader(r) }
}
