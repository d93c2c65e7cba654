package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
)

// nodeFlags adds --node and --key, which say whom to ask.
func (p *program) nodeFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&p.nodes, "node", nil, "URL of a node's gateway, or the link of a participant's invite (WAYBILL_NODE)")
	cmd.Flags().StringArrayVar(&p.keys, "key", nil, "API key of that gateway (WAYBILL_KEY)")
}

// clients are those of every --node; keys belong to nodes in order, and one key
// alone belongs to all. What is open can be asked without a key.
func (p *program) clients(open bool) ([]*client.Client, error) {
	nodes, keys := p.nodes, p.keys
	if len(nodes) == 0 {
		nodes = split(p.getenv("WAYBILL_NODE"))
	}
	if len(keys) == 0 {
		keys = split(p.getenv("WAYBILL_KEY"))
	}
	if len(nodes) == 1 && len(keys) == 0 && network.IsLink(nodes[0]) {
		link, err := network.ParseLink(nodes[0])
		if err != nil {
			return nil, usageError{err}
		}
		nodes, keys, p.guest = []string{link.Node}, []string{link.Key}, link.Partner
	}
	if open && len(keys) == 0 {
		keys = []string{""}
	}
	switch {
	case len(nodes) == 0:
		return nil, usage("say which node to ask: --node URL, or WAYBILL_NODE")
	case len(keys) == 0:
		return nil, usage("say with which API key: --key KEY, or WAYBILL_KEY")
	case len(keys) != 1 && len(keys) != len(nodes):
		return nil, usage("%d keys for %d nodes: give one key for each node in the same order, or one for all", len(keys), len(nodes))
	}
	out := make([]*client.Client, len(nodes))
	given := map[string]bool{}
	for i, n := range nodes {
		if n = strings.TrimRight(n, "/"); given[n] {
			return nil, usage("node %s is given twice: of course it agrees with itself", n)
		}
		given[n] = true
		c, err := client.New(n, keys[min(i, len(keys)-1)])
		if err != nil {
			return nil, usageError{err}
		}
		out[i] = c
	}
	return out, nil
}

// client is that of the one --node.
func (p *program) client() (*client.Client, error) {
	all, err := p.clients(false)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, usage("one node is asked, not %d", len(all))
	}
	return all[0], nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
