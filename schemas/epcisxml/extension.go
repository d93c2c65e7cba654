package epcisxml

import (
	"encoding/json"
	"strings"
)

// textName is the member that holds the text of an element with attributes or
// children.
const textName = "#text"

// extension makes the JSON of an element that the standard does not define: text,
// or an object of its attributes and children (EPCIS 2.0, 10.2).
func (c *conversion) extension(e *element) value {
	if e.attr(spaceXSI, "nil") == "true" || e.attr(spaceXSI, "nil") == "1" {
		return literal("null", e.line)
	}
	switch e.attr(spaceJSON, "type") {
	case "number":
		if n, ok := number(e.value()); ok {
			return literal(n, e.line)
		}
	case "boolean":
		return booleanPart(c, &element{text: []byte(e.value()), line: e.line})
	case "escaped":
		return text(unescape(string(e.text)), e.line)
	case "array":
		out := value{kind: '[', line: e.line}
		for _, child := range e.children {
			out.add("", c.extension(child))
		}
		return out
	case "object":
		return c.content(e)
	}
	if out := c.content(e); len(out.list) > 0 {
		return out
	}
	return c.text(e.value(), e.line)
}

// content makes an object of an element's attributes, children and text.
func (c *conversion) content(e *element) value {
	out := value{kind: '{', line: e.line}
	for _, a := range e.attrs {
		if !ignored(a.name) {
			c.extend(&out, c.name(a.name), c.text(a.value, e.line))
		}
	}
	for _, child := range e.children {
		c.extend(&out, c.memberName(child), c.extension(child))
	}
	if s := e.value(); len(out.list) > 0 && strings.Trim(s, " \t\r\n") != "" {
		c.extend(&out, textName, c.text(s, e.line))
	}
	return out
}

// text makes a string, whose prefix, if it has one, the event must define.
func (c *conversion) text(s string, line int) value {
	c.prefixes.value(s)
	return text(s, line)
}

// memberName is the name under which an object has a child.
func (c *conversion) memberName(child *element) string {
	if child.name.space == spaceJSON {
		n := child.attr(spaceJSON, "name")
		if child.attr(spaceJSON, "escaped") == "name" {
			n = unescape(n)
		}
		c.prefixes.value(n)
		return n
	}
	return c.name(child.name)
}

func (c *conversion) name(n name) string { return c.prefixes.name(n) }

// unescape reads a text that XML cannot hold, and that is escaped as in JSON.
func unescape(s string) string {
	var out string
	if json.Unmarshal([]byte(`"`+s+`"`), &out) != nil {
		return s
	}
	return out
}
