package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed docs.html
var docsHTML string

// docsPage is the OpenAPI document as a page for people, made once: it needs nothing
// from elsewhere, and can say nothing that the document does not.
var docsPage = sync.OnceValues(func() ([]byte, error) {
	var d described
	if err := json.Unmarshal(openapi, &d); err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	t, err := template.New("docs").Funcs(template.FuncMap{"named": path.Base, "upper": strings.ToUpper, "operation": operationOf, "parameters": d.parameters,
		"answer": d.answer, "pretty": func(v any) (string, error) {
			b, err := json.MarshalIndent(v, "", "  ")
			return string(b), err
		}}).Parse(docsHTML)
	if err != nil {
		return nil, fmt.Errorf("reading the page's template: %w", err)
	}
	var page bytes.Buffer
	if err := t.Execute(&page, d); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return page.Bytes(), nil
})

// described is what the page shows of the OpenAPI document.
type described struct {
	Info struct {
		Title, Description string
	}
	Paths      map[string]map[string]json.RawMessage // by path and method; what all of a path's have under "parameters"
	Components struct {
		Parameters map[string]describedParameter
		Responses  map[string]describedBody
		Schemas    map[string]json.RawMessage
	}
}

type describedOperation struct {
	Summary, Description string
	Security             []map[string][]string
	Parameters           []describedParameter
	RequestBody          describedBody
	Responses            map[string]describedBody // by status
}

type describedParameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Required    bool
	Description string
}

type describedBody struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]struct { // by media type
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
}

// operationOf reads what a path has under a method: nothing of what is none, nor of
// OPTIONS, which says the same everywhere.
func operationOf(method string, text json.RawMessage) (o *describedOperation, err error) {
	if method == "options" || method == "parameters" {
		return nil, nil
	}
	return o, json.Unmarshal(text, &o)
}

// Scopes are those of which an API key must have one: none, where no key is asked for.
func (o *describedOperation) Scopes() string {
	var scopes []string
	for _, way := range o.Security {
		for _, of := range way {
			scopes = append(scopes, of...)
		}
	}
	slices.Sort(scopes)
	return strings.Join(slices.Compact(scopes), ", ")
}

// parameters are an operation's own, and those that all of its path have.
func (d *described) parameters(o *describedOperation, common json.RawMessage) (all []describedParameter, err error) {
	if common != nil {
		err = json.Unmarshal(common, &all)
	}
	all = slices.Concat(o.Parameters, all)
	for i, p := range all {
		if p.Ref != "" {
			all[i] = d.Components.Parameters[path.Base(p.Ref)]
		}
	}
	return all, err
}

func (d *described) answer(b describedBody) describedBody {
	if b.Ref != "" {
		return d.Components.Responses[path.Base(b.Ref)]
	}
	return b
}

// getDocs answers a page of all that the gateway answers.
func (g *Gateway) getDocs(w http.ResponseWriter, r *http.Request) {
	page, err := docsPage()
	if err != nil {
		g.fail(w, r, err)
		return
	}
	writePage(w, page)
}
