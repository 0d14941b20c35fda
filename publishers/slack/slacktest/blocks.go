package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
)

// block is a Block Kit block of a type that messages have. Fields of other types are refused.
type block struct {
	Type     string            `json:"type"`
	BlockID  string            `json:"block_id"`
	Text     *text             `json:"text"`
	Fields   []text            `json:"fields"`
	ImageURL string            `json:"image_url"`
	File     *slackFile        `json:"slack_file"`
	AltText  string            `json:"alt_text"`
	Title    *text             `json:"title"`
	Elements []json.RawMessage `json:"elements"`
	rich     []element         // of rich_text
	context  []text            // of context
	picture  *file             // of image
}

type slackFile struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji"`
	Verbatim bool   `json:"verbatim"`
}

// element is a part of a rich text.
type element struct {
	Type     string            `json:"type"`
	Style    string            `json:"style"` // of a list
	Indent   int               `json:"indent"`
	Offset   int               `json:"offset"`
	Border   int               `json:"border"`
	Language string            `json:"language"`
	Elements []json.RawMessage `json:"elements"`
	items    []element         // of a list
	spans    []span            // of the others
}

// span is a run of characters in a rich text.
type span struct {
	Type      string `json:"type"`
	Text      string `json:"text"`
	URL       string `json:"url"`
	Name      string `json:"name"`
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	GroupID   string `json:"usergroup_id"`
	Range     string `json:"range"`
	Style     struct {
		Bold   bool `json:"bold"`
		Italic bool `json:"italic"`
		Strike bool `json:"strike"`
		Code   bool `json:"code"`
	} `json:"style"`
}

// checker collects what is wrong, with a pointer to the place, as Slack says it.
type checker struct {
	faults []string
	file   func(id string) *file // one that may be shown, or nil
	web    bool                  // public addresses can be read
}

func (c *checker) fault(where, format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...)+" [json-pointer:"+where+"]")
}

func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// parse reads and checks blocks; no faults mean that they may be shown.
func parse(raw []byte, show func(id string) *file, web bool) ([]block, []string) {
	c := checker{file: show, web: web}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, []string{"must be an array [json-pointer:/blocks]"}
	}
	if len(list) > 50 {
		c.fault("/blocks", "no more than 50 items allowed")
	}
	blocks := make([]block, 0, len(list))
	ids := map[string]bool{}
	for i, r := range list {
		where := fmt.Sprintf("/blocks/%d", i)
		var b block
		if err := strict(r, &b); err != nil {
			c.fault(where, "invalid additional property or type: %v", err)
			continue
		}
		if b.BlockID != "" && (ids[b.BlockID] || len(b.BlockID) > 255) {
			c.fault(where+"/block_id", "must be unique and at most 255 characters")
		}
		ids[b.BlockID] = true
		c.block(where, &b)
		blocks = append(blocks, b)
	}
	return blocks, c.faults
}

func (c *checker) block(where string, b *block) {
	switch b.Type {
	case "header":
		if b.Text == nil || b.Text.Type != "plain_text" {
			c.fault(where+"/text", "must be a plain_text object")
			return
		}
		c.text(where+"/text", *b.Text, 150)
	case "section":
		if b.Text == nil && len(b.Fields) == 0 {
			c.fault(where, "missing required field: text or fields")
		}
		if b.Text != nil {
			c.text(where+"/text", *b.Text, 3000)
		}
		if len(b.Fields) > 10 {
			c.fault(where+"/fields", "no more than 10 items allowed")
		}
		for i, f := range b.Fields {
			c.text(fmt.Sprintf("%s/fields/%d", where, i), f, 2000)
		}
	case "image":
		c.picture(where, b)
		if b.AltText == "" || units(b.AltText) > 2000 {
			c.fault(where+"/alt_text", "must be 1 to 2000 characters")
		}
		if b.Title != nil {
			c.text(where+"/title", *b.Title, 2000)
		}
	case "divider":
	case "context":
		if len(b.Elements) == 0 || len(b.Elements) > 10 {
			c.fault(where+"/elements", "must have 1 to 10 items")
		}
		for i, r := range b.Elements {
			at := fmt.Sprintf("%s/elements/%d", where, i)
			var t text
			if strict(r, &t) != nil {
				c.fault(at, "unsupported element")
				continue
			}
			c.text(at, t, 2000)
			b.context = append(b.context, t)
		}
	case "rich_text":
		if len(b.Elements) == 0 {
			c.fault(where+"/elements", "must have at least 1 item")
		}
		for i, r := range b.Elements {
			if e, ok := c.element(fmt.Sprintf("%s/elements/%d", where, i), r, false); ok {
				b.rich = append(b.rich, e)
			}
		}
	default:
		c.fault(where+"/type", "unsupported type: %s", b.Type)
	}
}

func (c *checker) text(where string, t text, most int) {
	switch {
	case t.Type != "plain_text" && t.Type != "mrkdwn":
		c.fault(where+"/type", "unsupported type: %s", t.Type)
	case t.Type == "mrkdwn" && t.Emoji != nil:
		c.fault(where+"/emoji", "not allowed for mrkdwn")
	case t.Text == "":
		c.fault(where+"/text", "must be more than 0 characters")
	case units(t.Text) > most:
		c.fault(where+"/text", "must be less than %d characters", most+1)
	}
}

func (c *checker) address(where, raw string) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" || len(raw) > 3000 || u.Scheme != "mailto" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		c.fault(where, "invalid url")
	}
}

var fileID = regexp.MustCompile(`^[F][A-Z0-9]{8,}$`)

// picture finds what an image shows: what stands at an address, or a file.
func (c *checker) picture(where string, b *block) {
	switch {
	case (b.ImageURL == "") == (b.File == nil):
		c.fault(where, "must have exactly one of image_url and slack_file")
	case b.File == nil:
		before := len(c.faults)
		if c.address(where+"/image_url", b.ImageURL); len(c.faults) == before && !c.web {
			c.fault(where+"/image_url", "downloading image failed")
		}
	case b.File.ID == "" || b.File.URL != "":
		c.fault(where+"/slack_file", "must have exactly one of id and url, and url is not simulated")
	case !fileID.MatchString(b.File.ID):
		c.fault(where+"/slack_file/id", "input must match regex pattern: %s", fileID)
	default:
		if b.picture = c.file(b.File.ID); b.picture == nil {
			c.fault(where+"/slack_file", "invalid slack file")
		}
	}
}

func (c *checker) element(where string, raw []byte, inList bool) (element, bool) {
	var e element
	if err := strict(raw, &e); err != nil {
		c.fault(where, "invalid additional property or type: %v", err)
		return e, false
	}
	if len(e.Elements) == 0 {
		c.fault(where+"/elements", "must have at least 1 item")
	}
	switch {
	case e.Type == "rich_text_list" && !inList:
		if e.Style != "bullet" && e.Style != "ordered" {
			c.fault(where+"/style", "must be bullet or ordered")
		}
		if e.Indent < 0 || e.Indent > 8 || e.Offset < 0 || e.Border < 0 || e.Border > 1 {
			c.fault(where, "indent, offset or border out of range")
		}
		for i, r := range e.Elements {
			if item, ok := c.element(fmt.Sprintf("%s/elements/%d", where, i), r, true); ok {
				e.items = append(e.items, item)
			}
		}
		return e, true
	case e.Type == "rich_text_section", e.Type == "rich_text_quote" && !inList, e.Type == "rich_text_preformatted" && !inList:
		for i, r := range e.Elements {
			e.spans = append(e.spans, c.span(fmt.Sprintf("%s/elements/%d", where, i), r, e.Type == "rich_text_preformatted"))
		}
		return e, true
	}
	c.fault(where+"/type", "unsupported type: %s", e.Type)
	return e, false
}

func (c *checker) span(where string, raw []byte, preformatted bool) span {
	var s span
	if err := strict(raw, &s); err != nil {
		c.fault(where, "invalid additional property or type: %v", err)
		return s
	}
	switch {
	case s.Type == "text":
		if s.Text == "" {
			c.fault(where+"/text", "must be more than 0 characters")
		}
	case s.Type == "link":
		c.address(where+"/url", s.URL)
	case preformatted:
		c.fault(where+"/type", "only text and link are allowed here")
	case s.Type == "emoji" && s.Name != "", s.Type == "user" && s.UserID != "", s.Type == "channel" && s.ChannelID != "", s.Type == "usergroup" && s.GroupID != "":
	case s.Type == "broadcast" && (s.Range == "here" || s.Range == "channel" || s.Range == "everyone"):
	default:
		c.fault(where+"/type", "unsupported type: %s", s.Type)
	}
	return s
}

// size is what all blocks hold together.
func size(blocks []block) int {
	n := 0
	for _, b := range blocks {
		n += units(b.AltText)
		for _, t := range texts(b) {
			n += units(t.Text)
		}
		for _, s := range spans(b) {
			n += units(s.Text) + units(s.URL)
		}
	}
	return n
}

func units(s string) int { return len(utf16.Encode([]rune(s))) }

func texts(b block) []text {
	all := append([]text{}, b.Fields...)
	all = append(all, b.context...)
	if b.Text != nil {
		all = append(all, *b.Text)
	}
	if b.Title != nil {
		all = append(all, *b.Title)
	}
	return all
}

func spans(b block) []span {
	var all []span
	for _, e := range b.rich {
		all = append(all, e.spans...)
		for _, item := range e.items {
			all = append(all, item.spans...)
		}
	}
	return all
}

var mention = regexp.MustCompile(`<[!@#][^>]*>`)

// pings counts who would be called: by control sequences in mrkdwn, and by elements of rich texts.
func pings(a arguments, blocks []block) int {
	n := len(mention.FindAllString(a["text"], -1))
	for _, b := range blocks {
		for _, t := range texts(b) {
			if t.Type == "mrkdwn" {
				n += len(mention.FindAllString(t.Text, -1))
			}
		}
		for _, s := range spans(b) {
			if s.Type == "broadcast" || s.Type == "user" || s.Type == "usergroup" {
				n++
			}
		}
	}
	return n
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}
