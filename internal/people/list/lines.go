package list

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// Bounds of what is read, so that no list takes more memory than another.
const (
	maxField  = 64 << 10
	maxRecord = 1 << 20
	window    = 256 << 10
)

// record is what stands between two line ends that are not in quotation marks.
type record struct {
	line   int    // on which it begins
	height int    // lines
	text   []byte // its first line, without its end
	raw    int    // bytes of all of it
	first  int    // bytes of its first line, with its end
	fields [][]byte
	quoted bool // it holds quotation marks
}

func (r record) blank() bool {
	for _, f := range r.fields {
		if len(bytes.TrimSpace(f)) > 0 {
			return false
		}
	}
	return true
}

// lines cuts a text into records (RFC 4180). A record is good until the next one is asked for.
type lines struct {
	src   io.Reader
	end   error // of src
	buf   []byte
	from  int // what is not read yet is buf[from:]
	comma byte
	nl    byte
	at    Position
	rec   record
	spare []byte
}

func newLines(r io.Reader) (*lines, error) {
	l := &lines{src: r, buf: make([]byte, 0, window)}
	for len(l.buf) < window/2 && l.end == nil {
		l.fill()
	}
	if l.end != nil && !errors.Is(l.end, io.EOF) {
		return nil, l.end
	}
	sample := l.buf
	if decode := coding(sample); decode != nil {
		decoded := &lines{src: decode(io.MultiReader(bytes.NewReader(sample), &rest{r, l.end})), buf: make([]byte, 0, window)}
		for l = decoded; len(l.buf) < window/2 && l.end == nil; {
			l.fill()
		}
		if !errors.Is(l.end, io.EOF) && l.end != nil {
			return nil, l.end
		}
	}
	if bytes.HasPrefix(l.buf, []byte("\xef\xbb\xbf")) {
		l.from, l.at.Offset = 3, 3
	}
	l.nl = '\n'
	if bytes.IndexByte(l.buf, '\n') < 0 && bytes.IndexByte(l.buf, '\r') >= 0 {
		l.nl = '\r'
	}
	l.comma = separator(l.buf[l.from:], l.nl)
	return l, nil
}

// rest is what follows a sample: nothing, when the sample ended the text.
type rest struct {
	r   io.Reader
	end error
}

func (r *rest) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	return r.r.Read(p)
}

// separator is which of comma, semicolon and tab cuts the first line into most fields.
func separator(text []byte, nl byte) byte {
	if i := bytes.IndexByte(text, nl); i >= 0 {
		text = text[:i]
	}
	var n [256]int
	inside := false
	for _, c := range text {
		if c == '"' {
			inside = !inside
		} else if !inside {
			n[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if n[c] > n[best] {
			best = c
		}
	}
	return best
}

// fill reads more, making room by dropping what was read or by growing.
func (l *lines) fill() {
	if l.end != nil {
		return
	}
	if l.from > 0 {
		l.buf = l.buf[:copy(l.buf, l.buf[l.from:])]
		l.from = 0
	}
	if len(l.buf) == cap(l.buf) {
		grown := make([]byte, len(l.buf), 2*cap(l.buf))
		copy(grown, l.buf)
		l.buf = grown
	}
	for range 100 {
		n, err := l.src.Read(l.buf[len(l.buf):cap(l.buf)])
		l.buf = l.buf[:len(l.buf)+n]
		if l.end = err; n > 0 || err != nil {
			return
		}
	}
	l.end = io.ErrNoProgress
}

// next is the next record, io.EOF, a *Refusal behind which reading goes on, or why reading ended.
func (l *lines) next() (record, error) {
	for {
		if l.from < len(l.buf) {
			rec, whole, broken := l.scan(l.buf[l.from:], l.end != nil)
			switch {
			case broken != nil:
				l.pass(rec.first, 1)
				return rec, broken
			case whole:
				l.pass(rec.raw, rec.height)
				return rec, nil
			}
			if l.end == nil && len(l.buf)-l.from >= maxRecord {
				return record{}, l.endless()
			}
		}
		if l.end != nil {
			if l.from < len(l.buf) || !errors.Is(l.end, io.EOF) {
				return record{}, l.end
			}
			return record{}, io.EOF
		}
		l.fill()
	}
}

func (l *lines) pass(bytes, height int) {
	l.from += bytes
	l.at.Offset += int64(bytes)
	l.at.Line += height
}

// endless drops a line that has no end within maxRecord.
func (l *lines) endless() error {
	r := &Refusal{Line: l.at.Line + 1, Text: shown(l.buf[l.from:]), Reason: "the line is longer than 1 MiB"}
	for {
		if i := bytes.IndexByte(l.buf[l.from:], l.nl); i >= 0 {
			l.pass(i+1, 1)
			return r
		}
		l.pass(len(l.buf)-l.from, 0)
		if l.end != nil {
			return r
		}
		l.fill()
	}
}

// again makes the next record this one, which was the last.
func (l *lines) again(r record) {
	l.pass(-r.raw, -r.height)
}

// rewind goes back to the second line of the last record.
func (l *lines) rewind(r record) {
	l.pass(r.first-r.raw, 1-r.height)
}

func (l *lines) skip(to Position) error {
	for l.at.Offset < to.Offset {
		if l.from == len(l.buf) {
			if l.end != nil {
				return errors.New("the list is shorter than it was: begin anew")
			}
			l.fill()
			continue
		}
		l.pass(int(min(int64(len(l.buf)-l.from), to.Offset-l.at.Offset)), 0)
	}
	l.at = to
	return nil
}

// scan reads one record at the beginning of b. whole: it is all there. final: nothing follows b.
func (l *lines) scan(b []byte, final bool) (rec record, whole bool, broken *Refusal) {
	rec = record{line: l.at.Line + 1, height: 1, fields: l.rec.fields[:0]}
	i := bytes.IndexByte(b, l.nl)
	switch {
	case i >= 0:
		rec.first, rec.text = i+1, b[:i]
	case final:
		rec.first, rec.text = len(b), b
	default:
		return rec, false, nil
	}
	rec.raw = rec.first
	rec.text = bytes.TrimSuffix(rec.text, []byte{'\r'})
	refuse := func(reason string) (record, bool, *Refusal) {
		return rec, true, &Refusal{Line: rec.line, Reason: reason, Text: shown(rec.text)}
	}
	if bytes.IndexByte(rec.text, '"') < 0 {
		rest := rec.text
		for {
			j := bytes.IndexByte(rest, l.comma)
			if j < 0 {
				break
			}
			rec.fields, rest = append(rec.fields, rest[:j]), rest[j+1:]
		}
		rec.fields = append(rec.fields, rest)
	} else {
		rec.quoted = true
		reason, whole := l.fields(b, final, &rec)
		if reason != "" {
			return refuse(reason)
		}
		if !whole {
			return rec, false, nil
		}
	}
	l.rec.fields = rec.fields
	all := b[:rec.raw]
	if bytes.IndexByte(all, 0) >= 0 {
		return refuse("holds a NUL character, which is no text: the file is damaged here")
	}
	if !utf8.Valid(all) {
		return refuse("holds bytes that are no UTF-8: save the list as UTF-8, or this line by itself")
	}
	for _, f := range rec.fields {
		if len(f) > maxField {
			return refuse("a field is longer than 64 KiB")
		}
	}
	return rec, true, nil
}

const (
	unclosed = "a quotation mark is opened and not closed within 64 KiB"
	bare     = "a quotation mark stands inside a field that is not in quotation marks: put the field in quotation marks, and write those inside twice"
	behind   = "text follows a closing quotation mark: write quotation marks inside a field twice"
)

// fields cuts a record that holds quotation marks. reason: it cannot be; whole: it is all in b.
func (l *lines) fields(b []byte, final bool, rec *record) (reason string, whole bool) {
	l.spare = l.spare[:0]
	pos, quoted := 0, false
	for {
		var field []byte
		if quoted = pos < len(b) && b[pos] == '"'; quoted {
			begin := len(l.spare)
			twice := false
			start := pos + 1
			for pos = start; ; {
				limit := min(len(b), start+maxField+2)
				j := -1
				if pos < limit {
					j = bytes.IndexByte(b[pos:limit], '"')
				}
				if j < 0 {
					if final || len(b) > start+maxField+1 {
						return unclosed, true
					}
					return "", false
				}
				end := pos + j
				if end+1 < len(b) && b[end+1] == '"' {
					l.spare, twice = append(l.spare, b[pos:end+1]...), true
					pos = end + 2
					continue
				}
				if end+1 == len(b) && !final {
					return "", false
				}
				if field = b[pos:end]; twice {
					l.spare = append(l.spare, field...)
					field = l.spare[begin:len(l.spare):len(l.spare)]
				}
				rec.height += bytes.Count(b[start:end], []byte{l.nl})
				pos = end + 1
				break
			}
		} else {
			end := pos
			for end < len(b) && b[end] != l.comma && b[end] != l.nl {
				if b[end] == '"' {
					return bare, true
				}
				end++
			}
			if end == len(b) && !final {
				return "", false
			}
			if field = b[pos:end]; end == len(b) || b[end] == l.nl {
				field = bytes.TrimSuffix(field, []byte{'\r'})
			}
			pos = end
		}
		rec.fields = append(rec.fields, field)
		if quoted && l.nl == '\n' && pos < len(b) && b[pos] == '\r' {
			if pos+1 == len(b) && !final {
				return "", false
			}
			if pos+1 == len(b) || b[pos+1] == '\n' {
				pos++
			}
		}
		switch {
		case pos == len(b):
			if !final {
				return "", false
			}
			rec.raw = pos
			return "", true
		case b[pos] == l.nl:
			rec.raw = pos + 1
			return "", true
		case b[pos] != l.comma:
			return behind, true
		}
		if pos++; pos > maxRecord {
			return "the line is longer than 1 MiB", true
		}
	}
}
