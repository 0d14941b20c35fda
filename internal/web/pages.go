package web

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

//go:embed pages
var pages embed.FS

func stylesheet(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, pages, "pages/crieur.css")
}

// page renders one of the embedded pages, whole or not at all.
func (s *server) page(w http.ResponseWriter, status int, name string, data any) {
	t, err := template.ParseFS(pages, "pages/"+name)
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, data)
	}
	if err != nil {
		s.Log.Error("a page could not be rendered", "page", name, "err", err)
		http.Error(w, "This page is broken; the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

type unsubscribeData struct {
	Community, Address string
	Unknown, Done      bool
}

// unsubscribePage shows a button and changes nothing: scanners follow links (RFC 8058 section 1).
func (s *server) unsubscribePage(w http.ResponseWriter, r *http.Request) {
	var p store.Address
	b, err := s.Links.Read(people.Unsubscribe, r.PathValue("token"), s.Store.Now())
	if err == nil {
		p, err = s.Store.Address(r.Context(), b.Address)
	}
	data := unsubscribeData{Community: s.Site.Name, Address: people.Masked(p.Channel, p.Address), Done: err == nil && p.Standing != store.Active && p.Standing != store.Pending}
	status := http.StatusOK
	if errors.Is(err, people.ErrLink) || errors.Is(err, store.ErrNotFound) {
		data.Unknown, status = true, http.StatusNotFound
	} else if err != nil {
		s.Log.Error("a subscription could not be read", "err", err)
		http.Error(w, "Réessayez dans un moment. / Please try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	s.page(w, status, "unsubscribe.html", data)
}

// unsubscribe acts at once and without questions, for a person and for a mail program's one-click POST (RFC 8058 section 3.2).
func (s *server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	how := "page"
	if r.PostFormValue("List-Unsubscribe") == "One-Click" {
		how = "one-click"
	}
	ok, err := s.People.Unsubscribe(r.Context(), r.PathValue("token"), how, netip.Prefix{})
	if err != nil {
		s.Log.Error("an unsubscribe failed", "err", err)
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Réessayez dans un moment. / Please try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	status := http.StatusOK
	if !ok {
		status = http.StatusNotFound
	}
	s.page(w, status, "unsubscribe.html", unsubscribeData{Community: s.Site.Name, Unknown: !ok, Done: ok})
}

type docsData struct {
	Title, Version, Description string
	Operations                  []docsOperation
}

type docsOperation struct {
	Method, Path, ID, Summary, Description, Scope string
	Parameters                                    []docsField
	Body                                          []docsField
	Answers                                       []string
}

type docsField struct {
	Name, Type, Doc string
	Required        bool
}

// docs is the API's description for people, made from the same document as /openapi.json.
func (s *server) docs(w http.ResponseWriter, _ *http.Request) {
	doc := s.api.OpenAPI()
	data := docsData{doc.Info.Title, doc.Info.Version, doc.Info.Description, nil}
	for path, item := range doc.Paths {
		for method, o := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if o == nil {
				continue
			}
			scope, _ := o.Metadata[scoped].(string)
			d := docsOperation{Method: method, Path: path, ID: o.OperationID, Summary: o.Summary, Description: o.Description, Scope: scope}
			for _, p := range o.Parameters {
				d.Parameters = append(d.Parameters, docsField{p.Name, p.In, p.Description, p.Required})
			}
			if o.RequestBody != nil {
				for _, m := range o.RequestBody.Content {
					d.Body = s.fields(doc, m.Schema, "", 0)
				}
			}
			for code := range o.Responses {
				d.Answers = append(d.Answers, code)
			}
			sort.Strings(d.Answers)
			data.Operations = append(data.Operations, d)
		}
	}
	slices.SortFunc(data.Operations, func(a, b docsOperation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	s.page(w, http.StatusOK, "docs.html", data)
}

// fields flattens a schema into rows, with the path of each field as it is named in errors.
func (s *server) fields(doc *huma.OpenAPI, schema *huma.Schema, path string, depth int) []docsField {
	if schema == nil || depth > 6 {
		return nil
	}
	if schema.Ref != "" {
		schema = doc.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	var out []docsField
	for name, p := range schema.Properties {
		full := path + name
		kind := p
		if p.Ref != "" {
			kind = doc.Components.Schemas.SchemaFromRef(p.Ref)
		}
		typ := kind.Type
		if len(kind.Enum) > 0 {
			words := make([]string, len(kind.Enum))
			for i, e := range kind.Enum {
				words[i], _ = e.(string)
			}
			typ = strings.Join(words, " | ")
		}
		out = append(out, docsField{full, typ, p.Description, slices.Contains(schema.Required, name)})
		if kind.Items != nil {
			out = append(out, s.fields(doc, kind.Items, full+"[].", depth+1)...)
		}
		if more, ok := kind.AdditionalProperties.(*huma.Schema); ok {
			out = append(out, s.fields(doc, more, full+".{}.", depth+1)...)
		}
		out = append(out, s.fields(doc, kind, full+".", depth+1)...)
	}
	if path == "" {
		slices.SortFunc(out, func(a, b docsField) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}
