package templates

import (
	"regexp"
	"strings"
	"text/template/parse"

	"github.com/crieur/crieur/internal/announce"
)

// The spaces that French puts around punctuation, as a template's author types them.
var (
	beforeColon = regexp.MustCompile("[ \u00a0\u202f]+([:»])")
	beforeHigh  = regexp.MustCompile("[ \u00a0\u202f]+([;!?])")
	afterQuote  = regexp.MustCompile("«[ \u00a0\u202f]+")
)

// frenchSpaces makes the spaces around punctuation non-breaking. In Quebec there is none before ; ! ? and a whole one before
// a colon; in France a narrow one before ; ! ?. Only spaces that are there are changed, so that markup and addresses stay as they are.
func frenchSpaces(s string, l announce.Language) string {
	s = beforeColon.ReplaceAllString(s, nbsp+"$1")
	s = afterQuote.ReplaceAllString(s, "«"+nbsp)
	high := "$1"
	if strings.EqualFold(string(l), "fr-FR") {
		high = "\u202f$1"
	}
	return beforeHigh.ReplaceAllString(s, high)
}

// typeset corrects the spaces in what a template itself says. What it prints for the author is left alone.
func typeset(n parse.Node, l announce.Language) {
	if l.Base() != "fr" {
		return
	}
	switch n := n.(type) {
	case *parse.TextNode:
		n.Text = []byte(frenchSpaces(string(n.Text), l))
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			typeset(c, l)
		}
	case *parse.IfNode:
		typesetBranch(&n.BranchNode, l)
	case *parse.RangeNode:
		typesetBranch(&n.BranchNode, l)
	case *parse.WithNode:
		typesetBranch(&n.BranchNode, l)
	}
}

func typesetBranch(b *parse.BranchNode, l announce.Language) {
	if b.List != nil {
		typeset(b.List, l)
	}
	if b.ElseList != nil {
		typeset(b.ElseList, l)
	}
}
