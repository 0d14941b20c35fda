package templates

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
)

// markup says how text is written for a channel.
type markup struct {
	markdown bool // else plain
	links    bool // addresses may appear
}

const deepest = 12 // lists and quotations nested deeper are written at this depth

// writer writes a parsed text in a markup, and remembers the places that must not be cut.
type writer struct {
	markup
	src       []byte
	out       []byte
	atoms     []span
	prefix    string // before each line: quotation marks and indentation
	depth     int
	lineStart int // where the content of the current line begins in out
	heading   bool
}

// span is a part of a text in which no cut may fall: start < cut < end is forbidden.
type span struct {
	start, end int
	block      bool // nothing may follow on its last line
}

// write returns the text of every block below n, whole and well formed: nothing in it reaches beyond its end.
func (s source) write(n ast.Node, m markup) prose {
	w := &writer{markup: m, src: s.bytes}
	w.blocks(n, false)
	return prose{text: string(w.out), atoms: w.atoms, markdown: m.markdown}
}

func (w *writer) atom(start, extra int) {
	w.atoms = append(w.atoms, span{start: start, end: len(w.out) + extra})
}

func (w *writer) blockAtom(start int) {
	w.atoms = append(w.atoms, span{start: start, end: len(w.out), block: true})
}

func (w *writer) newline() {
	w.out = append(w.out, '\n')
	start := len(w.out)
	w.out = append(w.out, w.prefix...)
	w.atom(start, 0)
	w.lineStart = len(w.out)
}

func (w *writer) blocks(parent ast.Node, tight bool) {
	first := true
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if _, ok := n.(*ast.LinkReferenceDefinition); ok {
			continue
		}
		if !first {
			w.newline()
			if !tight {
				w.newline()
			}
		}
		first = false
		w.block(n)
	}
}

func (w *writer) block(n ast.Node) {
	start := len(w.out)
	switch n := n.(type) {
	case *ast.Heading:
		if w.markdown {
			w.out = append(w.out, strings.Repeat("#", n.Level)+" "...)
			w.lineStart = len(w.out)
		}
		w.heading = true
		w.inlines(n)
		w.heading = false
		w.atom(start, len("\n\n")+len(w.prefix)*2+1) // a heading never stands last
	case *ast.ThematicBreak:
		w.raw(map[bool]string{true: "---", false: "* * *"}[w.markdown])
		w.blockAtom(start)
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		w.code(n)
		w.blockAtom(start)
	case *ast.Blockquote:
		w.nest("> ", func() { w.blocks(n, false) })
	case *ast.List:
		w.list(n)
	case *east.Table:
		w.table(n)
		w.blockAtom(start)
	default: // paragraphs and the lines of tight lists
		w.inlines(n)
	}
}

// nest writes with mark before the first line and the same, or as many blanks, before the others.
func (w *writer) nest(mark string, do func()) {
	if w.depth >= deepest {
		do()
		return
	}
	start, before := len(w.out), w.prefix
	w.out = append(w.out, mark...)
	w.lineStart = len(w.out)
	w.atom(start, 1)
	if strings.HasPrefix(mark, ">") {
		w.prefix += mark
	} else {
		w.prefix += strings.Repeat(" ", utf8.RuneCountInString(mark))
	}
	w.depth++
	do()
	w.depth--
	w.prefix = before
}

func (w *writer) list(l *ast.List) {
	number := l.Start
	for item := l.FirstChild(); item != nil; item = item.NextSibling() {
		if item != l.FirstChild() {
			w.newline()
			if !l.IsTight {
				w.newline()
			}
		}
		mark := "• "
		if w.markdown {
			mark = string(l.Marker) + " "
		}
		if l.IsOrdered() {
			mark = strconv.Itoa(number) + string(l.Marker) + " "
			number++
		}
		w.nest(mark, func() { w.blocks(item, l.IsTight) })
	}
}

func (w *writer) code(n ast.Node) {
	var lines []string
	fence := 3
	for i := range n.Lines().Len() {
		seg := n.Lines().At(i)
		line := strings.TrimRight(string(seg.Value(w.src)), "\n")
		lines = append(lines, line)
		fence = max(fence, longest(line, '`')+1)
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	language := ""
	if f, ok := n.(*ast.FencedCodeBlock); ok && languageName.Match(f.Language(w.src)) {
		language = string(f.Language(w.src))
	}
	w.lines(lines, strings.Repeat("`", fence), language)
}

var languageName = regexp.MustCompile(`^[A-Za-z0-9+#_.-]{1,20}$`)

// lines writes lines as they are, fenced where the markup is Markdown.
func (w *writer) lines(lines []string, fence, language string) {
	if w.markdown {
		lines = append(append([]string{fence + language}, lines...), fence)
	}
	for i, line := range lines {
		if i > 0 {
			w.newline()
		}
		w.raw(line)
	}
}

// table writes aligned columns.
func (w *writer) table(t *east.Table) {
	var rows [][]string
	var widths []int
	for r := t.FirstChild(); r != nil; r = r.NextSibling() {
		var row []string
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			cell := &writer{markup: markup{links: w.links}, src: w.src}
			cell.inlines(c)
			row = append(row, strings.ReplaceAll(string(cell.out), "\n", " "))
			if len(row) > len(widths) {
				widths = append(widths, 0)
			}
			widths[len(row)-1] = max(widths[len(row)-1], uniseg.StringWidth(row[len(row)-1]))
		}
		rows = append(rows, row)
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		for j, cell := range row {
			if j > 0 {
				lines[i] += " | "
			}
			lines[i] += cell + strings.Repeat(" ", widths[j]-uniseg.StringWidth(cell))
		}
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	fence := 3
	for _, line := range lines {
		fence = max(fence, longest(line, '`')+1)
	}
	w.lines(lines, strings.Repeat("`", fence), "")
}
