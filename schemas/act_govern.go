package schemas

// Acts of members that govern the network.
var governActs = []func() Act{
	func() Act { return &Vote{} },
}

// Vote is a member's vote on a proposal: once given it stands.
type Vote struct {
	Proposal string // its id
	Approve  bool   // false: against
}

// Name is the act's type.
func (*Vote) Name() string { return "Vote" }

// Role is what a key needs to sign it.
func (*Vote) Role() uint32 { return RoleAdmin }

func (*Vote) names() int { return 0 }

func (v *Vote) bind(b *binding) {
	bind(b, 1, "proposal", &v.Proposal, line(maxName))
	bind(b, 2, "approve", &v.Approve, flagged)
	b.need("proposal", v.Proposal != "")
}
