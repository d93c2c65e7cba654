package schemas

import "encoding/json"

// JSONValue reads a text with the strict tokenizer and returns what the standard
// library's decoder would with UseNumber.
func JSONValue(text string, compact bool) (any, error) {
	t := tokenizer{text: text, compact: compact, depth: MaxDepth}
	if f := t.run(); f != nil {
		return nil, f
	}
	return t.export(0), nil
}

func (t *tokenizer) export(n int) any {
	k := t.tape[n]
	switch k.kind {
	case jsonFalse, jsonTrue:
		return k.kind == jsonTrue
	case jsonNumber:
		return json.Number(t.raw(n))
	case jsonString:
		return t.str(n)
	case jsonArray:
		out := []any{}
		for v := n + 1; v < int(k.next); v = int(t.tape[v].next) {
			out = append(out, t.export(v))
		}
		return out
	case jsonObject:
		out := map[string]any{}
		for m := n + 1; m < int(k.next); m = t.after(m) {
			out[t.str(m)] = t.export(m + 1)
		}
		return out
	}
	return nil
}

// JSONPointers returns the pointer of every token of a text, and Sorted its
// canonical form.
func JSONPointers(text string) []string {
	t := tokenizer{text: text, depth: MaxDepth}
	if f := t.run(); f != nil {
		return nil
	}
	var out []string
	for n := range t.tape {
		out = append(out, t.pointer(n))
	}
	return out
}

// Sorted returns the canonical form of a text without one top-level member.
func Sorted(text, leaveOut string) string {
	t := tokenizer{text: text, depth: MaxDepth}
	if f := t.run(); f != nil {
		return f.Error()
	}
	return string(t.appendSorted(nil, 0, []string{leaveOut}))
}

// Tokens counts the tokens that are kept of a text.
func Tokens(text string, keep int) int {
	t := tokenizer{text: text, depth: MaxDepth, keep: keep}
	if f := t.run(); f != nil {
		return -1
	}
	return len(t.tape)
}
