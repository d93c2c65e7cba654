package epcisxml

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// masterData finds a VocabularyList in a header and makes its JSON, the value of
// epcisMasterData: nil where there is none.
func masterData(e *element) (*value, *schemas.Fault) {
	list := find(e, "VocabularyList")
	if list == nil {
		return nil, nil
	}
	c := &conversion{}
	out := value{kind: '[', line: list.line}
	for _, v := range list.children {
		if !v.name.standard() || v.name.local != "Vocabulary" {
			c.refuse(schemas.BadDocument, v.line, "a VocabularyList has Vocabulary elements, not "+quote(v.name.local))
			continue
		}
		out.add("", c.vocabulary(v))
	}
	c.few(list.line)
	if c.fault != nil {
		return nil, c.fault
	}
	all := value{kind: '{', line: list.line}
	if context := c.prefixes.context(); len(context.list) > 0 {
		all.add("@context", context)
	}
	all.add("vocabularyList", out)
	return &all, nil
}

// find looks for an element of the standard, outermost first.
func find(e *element, local string) *element {
	if e.name.local == local && e.name.standard() {
		return e
	}
	for _, child := range e.children {
		if !child.name.standard() {
			continue
		}
		if f := find(child, local); f != nil {
			return f
		}
	}
	return nil
}

func (c *conversion) vocabulary(e *element) value {
	out, elements := value{kind: '{', line: e.line}, value{kind: '[', line: e.line}
	out.add("type", text(c.required(e, "type"), e.line))
	for _, list := range e.children {
		if list.name.standard() && list.name.local == "VocabularyElementList" {
			for _, child := range list.children {
				elements.add("", c.vocabularyElement(child))
			}
		}
	}
	out.add("vocabularyElementList", elements)
	return out
}

func (c *conversion) vocabularyElement(e *element) value {
	if !e.name.standard() || e.name.local != "VocabularyElement" {
		c.refuse(schemas.BadDocument, e.line, "a VocabularyElementList has VocabularyElement elements, not "+quote(e.name.local))
	}
	out := value{kind: '{', line: e.line}
	out.add("id", text(c.required(e, "id"), e.line))
	attributes, children := value{kind: '[', line: e.line}, value{kind: '[', line: e.line}
	for _, child := range e.children {
		switch {
		case !child.name.standard():
			c.extend(&out, c.name(child.name), c.extension(child))
		case child.name.local == "attribute":
			one := value{kind: '{', line: child.line}
			one.add("id", text(c.required(child, "id"), child.line))
			plain := *child
			plain.attrs = nil
			one.add("attribute", c.extension(&plain))
			attributes.add("", one)
		case child.name.local == "children":
			for _, id := range child.children {
				children.add("", text(c.leaf(id), id.line))
			}
		}
	}
	if len(attributes.list) > 0 {
		out.add("attributes", attributes)
	}
	if len(children.list) > 0 {
		out.add("children", children)
	}
	return out
}

func (c *conversion) required(e *element, attr string) string {
	s := strings.TrimSpace(e.attr("", attr))
	if s == "" {
		c.refuse(schemas.BadDocument, e.line, quote(e.name.local)+" needs attribute "+attr)
	}
	return s
}
