package blueskytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const collection = "app.bsky.feed.post"

// post is a record with what became of it.
type post struct {
	key     string
	cid     string
	raw     json.RawMessage
	record  record
	at      time.Time
	edited  int
	deleted bool
}

func (n *post) uri() string { return "at://" + did + "/" + collection + "/" + n.key }

// upload is a picture: temporary until a record shows it.
type upload struct {
	kind string
	data []byte
	kept bool
}

func (u *upload) address() string {
	return "data:" + u.kind + ";base64," + base64.StdEncoding.EncodeToString(u.data)
}

const mostBody = 6 << 20

func readAll(r *http.Request) ([]byte, error) { return io.ReadAll(io.LimitReader(r.Body, mostBody)) }

// contentID names content by its hash: codec 0x71 for records, 0x55 for bytes.
func contentID(codec byte, content []byte) string {
	sum := sha256.Sum256(content)
	raw := append([]byte{1, codec, 0x12, 0x20}, sum[:]...)
	return "b" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

// canonical is a record with its keys in order, so that equal records have equal names.
func canonical(raw []byte) []byte {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return raw
	}
	b, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return b
}

// Forget drops every picture that no record shows, as the server does after a while.
func (p *Platform) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for cid, u := range p.blobs {
		if !u.kept {
			delete(p.blobs, cid)
		}
	}
}

func (p *Platform) uploadBlob(r *http.Request, body []byte) answer {
	kind := r.Header.Get("Content-Type")
	switch {
	case len(body) == 0 || kind == "":
		return refusal(http.StatusBadRequest, "InvalidRequest", "Request encoding (Content-Type) required but not provided")
	case len(body) >= 5<<20:
		return refusal(http.StatusRequestEntityTooLarge, "PayloadTooLarge", "request entity too large")
	}
	if found := http.DetectContentType(body); strings.HasPrefix(found, "image/") {
		kind = found
	}
	cid := contentID(0x55, body)
	if p.blobs[cid] == nil {
		p.blobs[cid] = &upload{kind: kind, data: body}
	}
	return fine(map[string]any{"blob": map[string]any{"$type": "blob", "ref": map[string]string{"$link": cid}, "mimeType": kind, "size": len(body)}})
}

var keyForm = regexp.MustCompile(`^[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}$`)

// find is the record of that name that is there, or nil.
func (p *Platform) find(key string) *post {
	for _, n := range p.records {
		if n.key == key && !n.deleted {
			return n
		}
	}
	return nil
}

func (p *Platform) putRecord(_ *http.Request, body []byte) answer {
	var in struct {
		Repo       string          `json:"repo"`
		Collection string          `json:"collection"`
		Key        string          `json:"rkey"`
		Validate   *bool           `json:"validate"`
		Record     json.RawMessage `json:"record"`
		Swap       json.RawMessage `json:"swapRecord"`
	}
	if err := strict(body, &in); err != nil {
		return refusal(http.StatusBadRequest, "InvalidRequest", err.Error())
	}
	if in.Repo != did && in.Repo != Handle {
		return refusal(http.StatusUnauthorized, "AuthMissing", "Authentication Required")
	}
	if in.Collection != collection || !keyForm.MatchString(in.Key) {
		return refusal(http.StatusBadRequest, "InvalidRequest", "Invalid "+collection+" record: record key does not match the expected tid format")
	}
	var r record
	if err := strict(in.Record, &r); err != nil {
		return refusal(http.StatusBadRequest, "InvalidRequest", "Invalid "+collection+" record: "+err.Error())
	}
	if name, fault := p.fault(r); fault != "" {
		return refusal(http.StatusBadRequest, name, fault)
	}
	cid := contentID(0x71, canonical(in.Record))
	old := p.find(in.Key)
	out := map[string]any{"uri": "at://" + did + "/" + collection + "/" + in.Key, "cid": cid, "validationStatus": "valid"}
	if old != nil && old.cid == cid { // nothing changes, whatever was to be swapped
		return fine(out)
	}
	if len(in.Swap) > 0 {
		current := "null"
		if old != nil {
			current = `"` + old.cid + `"`
		}
		if string(bytes.TrimSpace(in.Swap)) != current {
			return refusal(http.StatusBadRequest, "InvalidSwap", "Record was at "+strings.Trim(current, `"`))
		}
	}
	if old == nil {
		old = &post{key: in.Key, at: time.Now().UTC(), edited: -1}
		p.records = append(p.records, old)
		for _, f := range r.Facets {
			for _, x := range f.Features {
				if x.Type == facetMention {
					p.pings++
				}
			}
		}
	}
	old.cid, old.raw, old.record = cid, in.Record, r
	old.edited++
	for _, b := range r.blobs() {
		p.blobs[b.Ref.Link].kept = true
	}
	out["commit"] = map[string]string{"cid": contentID(0x71, []byte(cid)), "rev": in.Key}
	return fine(out)
}

func (p *Platform) getRecord(r *http.Request, _ []byte) answer {
	q := r.URL.Query()
	if n := p.find(q.Get("rkey")); n != nil && q.Get("repo") == did && q.Get("collection") == collection {
		return fine(map[string]any{"uri": n.uri(), "cid": n.cid, "value": n.raw})
	}
	return refusal(http.StatusBadRequest, "RecordNotFound", "Could not locate record: at://"+q.Get("repo")+"/"+q.Get("collection")+"/"+q.Get("rkey"))
}

func (p *Platform) deleteRecord(_ *http.Request, body []byte) answer {
	var in struct {
		Repo       string `json:"repo"`
		Collection string `json:"collection"`
		Key        string `json:"rkey"`
	}
	if err := strict(body, &in); err != nil || in.Repo != did || in.Collection != collection {
		return refusal(http.StatusBadRequest, "InvalidRequest", "Input must have the property \"repo\"")
	}
	n := p.find(in.Key)
	if n == nil {
		return fine(map[string]any{})
	}
	n.deleted = true
	return fine(map[string]any{"commit": map[string]string{"cid": contentID(0x71, []byte(in.Key)), "rev": in.Key}})
}

// strict reads JSON and refuses what it does not know.
func strict(raw []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
