package web

import (
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

type docsData struct {
	view
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
	data := docsData{view{Lang: "en", Site: s.Site, Events: s.Feeds != nil, Fixed: true, Index: true}, doc.Info.Title, doc.Info.Version, doc.Info.Description, nil}
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
