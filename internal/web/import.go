package web

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/people/list"
	"github.com/crieur/crieur/internal/store"
)

// ListImport says how a list is to be taken in.
type ListImport struct {
	File     string            `query:"file" maxLength:"200" doc:"Name of the file: part of the proof of consent."`
	List     string            `query:"list" maxLength:"100" doc:"Names the list and these choices: sent again under the same name after it was cut, it goes on where it was. Absent: from the beginning."`
	Topics   []string          `query:"topic" maxItems:"100" doc:"For everybody on the list, comma-separated."`
	Language announce.Language `query:"language" maxLength:"35" doc:"Of whom the list does not say."`
	Standing list.Standing     `query:"standing" enum:"active,unsubscribed,bounced,complained" doc:"Of whom the list does not say. Default: active."`
	Confirm  bool              `query:"confirm" doc:"Write to everybody who is new and ask them to confirm. Without it nobody is written to."`
	How      string            `query:"how" maxLength:"200" doc:"How they agreed, in your words."`
	Basis    string            `query:"basis" enum:"express,implied" doc:"Default: express."`
	DryRun   bool              `query:"dry_run" doc:"Only tell what would be."`
}

// ImportNews is one line of the answer to an import, as JSON. The last one has Done or Problem.
type ImportNews struct {
	Form       string         `json:"form,omitempty" doc:"What the list was taken for: Mailchimp, listmonk, Crieur or table."`
	Resumed    int            `json:"resumed_after_line,omitempty" doc:"It goes on behind this line."`
	Lines      int            `json:"lines" doc:"Done so far, with those of a part that was done before."`
	Bytes      int64          `json:"bytes" doc:"Of these lines, in UTF-8."`
	Added      int            `json:"added"`
	Known      int            `json:"known" doc:"On the list already; nothing was changed."`
	Left       int            `json:"left" doc:"Are not written to any more, because the list says that they left."`
	Kept       int            `json:"kept" doc:"Left or were removed here before, and stay so whatever the list says."`
	Suppressed int            `json:"suppressed" doc:"Must never be written to again; nothing of them was kept."`
	Broken     int            `json:"broken" doc:"Lines that cannot be taken in."`
	Refused    []RefusedLine  `json:"refused,omitempty" doc:"Lines that were refused since the line before: broken ones, and people who must never be written to again."`
	Tags       map[string]int `json:"unknown_tags,omitempty" doc:"On the last line: tags that are no topics, and how many people have them."`
	Done       bool           `json:"done,omitempty"`
	Problem    *Trouble       `json:"problem,omitempty" doc:"Why it ended early. What was told before is on record."`
}

// RefusedLine is a line of a list that is not taken in.
type RefusedLine struct {
	Line   int    `json:"line"`
	Field  string `json:"field,omitempty" doc:"The column, as the list names it."`
	Reason string `json:"reason"`
	Text   string `json:"text" doc:"The line itself, at most 2,000 bytes."`
}

// Trouble is an error in the middle of an answer.
type Trouble struct {
	Status int      `json:"status" doc:"What the answer would have been."`
	Detail string   `json:"detail"`
	Errors []string `json:"errors,omitempty"`
}

func (s *server) lists() {
	in := op("POST", "/v1/subscribers/import", "importSubscribers", ScopeAdmin, "Take in a list of people: CSV, or an export of Mailchimp, listmonk or Crieur")
	in.Description = "The body is the list. The answer is one JSON object a line, while the list is read: what was refused, and how far it came. Nobody is written to unless confirm is set."
	in.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	in.Responses = stream("application/x-ndjson", s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ImportNews](), true, "ImportNews"))
	huma.Register(s.api, in, s.importSubscribers)

	out := op("GET", "/v1/subscribers/export", "exportSubscribers", ScopeAdmin, "Export people with what they chose, all in one answer")
	out.Responses = stream("text/csv", &huma.Schema{Type: "string"})
	huma.Register(s.api, out, s.exportSubscribers)
}

// stream describes an answer that is written while it is made.
func stream(kind string, schema *huma.Schema) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{kind: {Schema: schema}}}}
}

func (s *server) importSubscribers(ctx context.Context, in *ListImport) (*huma.StreamResponse, error) {
	o := people.Importing{
		File: filepath.Base(in.File), List: in.List, Topics: in.Topics, Language: in.Language, Standing: in.Standing, Confirm: in.Confirm, How: in.How, Basis: in.Basis,
		DryRun: in.DryRun, Actor: actorOf(ctx).Name,
	}
	if in.File == "" {
		o.File = ""
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/x-ndjson")
		_, w := humago.Unwrap(hc)
		wire := http.NewResponseController(w)
		_ = wire.EnableFullDuplex() // where it is not needed it is not there
		var last people.Imported
		news := func(at people.Imported, refused []*list.Refusal, end func(*ImportNews)) error {
			_, _ = wire.SetReadDeadline(time.Now().Add(listPause)), wire.SetWriteDeadline(time.Now().Add(listPause))
			last = at
			n := newsOf(at, refused)
			end(&n)
			if err := json.NewEncoder(w).Encode(n); err != nil {
				return err
			}
			if err := wire.Flush(); !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			return nil
		}
		err := s.People.Import(ctx, hc.BodyReader(), o, func(at people.Imported, refused []*list.Refusal) error {
			return news(at, refused, func(*ImportNews) {})
		})
		_ = news(last, nil, func(n *ImportNews) {
			if n.Done, n.Tags = err == nil, last.Tags; err != nil {
				n.Problem = s.trouble(err)
			}
		})
	}}, nil
}

// listPause is how long a client may keep an import waiting for the next part of its list.
const listPause = time.Minute

func (s *server) trouble(err error) *Trouble {
	_ = s.fail(err) // logs what is our own fault
	p := answer(err)
	t := &Trouble{Status: p.GetStatus(), Detail: p.Error()}
	var faults announce.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			t.Errors = append(t.Errors, f.Field+": "+f.Say)
		}
	}
	return t
}

func newsOf(at people.Imported, refused []*list.Refusal) ImportNews {
	t := at.Tally
	n := ImportNews{
		Form: at.Form, Resumed: at.Resumed, Lines: at.Lines, Bytes: at.Bytes,
		Added: t.Added, Known: t.Known, Left: t.Left, Kept: t.Kept, Suppressed: t.Suppressed, Broken: t.Refused,
	}
	for _, r := range refused {
		n.Refused = append(n.Refused, RefusedLine{r.Line, r.Field, r.Reason, r.Text})
	}
	return n
}

// ListExport says who is exported, and how.
type ListExport struct {
	Format   string   `query:"format" enum:"csv,json,ndjson" default:"csv"`
	Channel  string   `query:"channel" maxLength:"40"`
	Standing []string `query:"standing" maxItems:"6" enum:"pending,active,unsubscribed,bounced,complained,removed" doc:"Comma-separated. Default: active."`
	Topic    string   `query:"topic" maxLength:"64" doc:"Who chose it."`
}

func (s *server) exportSubscribers(ctx context.Context, in *ListExport) (*huma.StreamResponse, error) {
	search := store.Search{Channel: in.Channel, Topic: in.Topic, Standing: []store.Standing{store.Active}, Limit: 1000}
	if len(in.Standing) > 0 {
		search.Standing = nil
		for _, x := range in.Standing {
			search.Standing = append(search.Standing, store.Standing(x))
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		wire := http.NewResponseController(w)
		write := inCSV(w)
		hc.SetHeader("Content-Type", "text/csv; charset=utf-8")
		hc.SetHeader("Content-Disposition", `attachment; filename="subscribers.csv"`)
		if in.Format != "csv" {
			hc.SetHeader("Content-Type", map[string]string{"json": "application/json", "ndjson": "application/x-ndjson"}[in.Format])
			hc.SetHeader("Content-Disposition", `attachment; filename="subscribers.`+in.Format+`"`)
			write = inJSON(w, in.Format == "json")
		}
		for first := true; ; first = false {
			page, next, err := s.exportable(ctx, search)
			if err == nil {
				_ = wire.SetWriteDeadline(time.Now().Add(listPause))
				err = write(page, first, next == "")
			}
			if err != nil {
				if ctx.Err() == nil {
					s.Log.Error("an export ended early", "err", err)
				}
				panic(http.ErrAbortHandler) // so that half of a list is not taken for all of it
			}
			if search.After = next; next == "" {
				return
			}
		}
	}}, nil
}

// exported is a subscriber with the proof of what they agreed to.
type exported struct {
	Subscriber
	Consents []ConsentLine `json:"consents"`
}

// exportable is a page of a search.
func (s *server) exportable(ctx context.Context, search store.Search) (out []exported, next string, err error) {
	page, next, err := s.Store.Addresses(ctx, search)
	if err != nil {
		return nil, "", err
	}
	ids := make([]int64, len(page))
	for i, a := range page {
		ids[i] = a.ID
	}
	deeds, err := s.Store.ConsentsOf(ctx, ids)
	for _, a := range page {
		x := exported{subscriberOf(a), []ConsentLine{}}
		for _, d := range deeds[a.ID] {
			x.Consents = append(x.Consents, consentOf(d))
		}
		out = append(out, x)
	}
	return out, next, err
}

// agreed is a consent in a cell: the words by their SHA-256, for the same are in thousands of rows.
type agreed struct {
	At      time.Time `json:"at"`
	Act     store.Act `json:"act"`
	How     string    `json:"how"`
	Basis   string    `json:"basis,omitempty"`
	Wording string    `json:"wording,omitempty"`
}

func (x exported) cell() (string, error) {
	all := make([]agreed, len(x.Consents))
	for i, c := range x.Consents {
		all[i] = agreed{c.At, c.Act, c.How, c.Basis, ""}
		if c.Words != "" {
			sum := sha256.Sum256([]byte(c.Words))
			all[i].Wording = hex.EncodeToString(sum[:])
		}
	}
	b, err := json.Marshal(all)
	return string(b), err
}

// inCSV writes pages as list.Reader reads them. No cell can be taken for a formula.
func inCSV(w io.Writer) func(page []exported, first, last bool) error {
	c := csv.NewWriter(w)
	return func(page []exported, first, _ bool) error {
		if first {
			_ = c.Write(list.Columns()) // Flush tells
		}
		for _, a := range page {
			consents, err := a.cell()
			if err != nil {
				return err
			}
			paused := ""
			if a.PausedUntil != nil {
				paused = a.PausedUntil.Format(time.RFC3339)
			}
			row := []string{
				a.Channel, a.Address, a.Name, string(a.Language), a.Zone, string(a.Standing), string(a.Frequency), strconv.FormatBool(*a.Everything),
				strings.Join(a.Topics, ", "), a.Created.Format(time.RFC3339), paused, a.Quiet, consents,
			}
			for i := range row {
				row[i] = list.Safe(row[i])
			}
			_ = c.Write(row)
		}
		c.Flush()
		return c.Error()
	}
}

// inJSON writes pages as one array, or an object a line.
func inJSON(w io.Writer, array bool) func(page []exported, first, last bool) error {
	return func(page []exported, first, last bool) error {
		var b strings.Builder
		if array && first {
			b.WriteString("[\n")
		}
		for i, a := range page {
			if array && (!first || i > 0) {
				b.WriteString(",\n")
			}
			one, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if b.Write(one); !array {
				b.WriteByte('\n')
			}
		}
		if array && last {
			b.WriteString("\n]\n")
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}
