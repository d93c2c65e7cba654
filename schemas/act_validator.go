package schemas

// Acts of nodes that validate.
var validatorActs = []func() Act{
	func() Act { return &Ready{} },
}

// Ready says that the node of the act's author has caught up, and holds the
// consensus key that was ordered for it: from now on it can vote.
type Ready struct {
	Key []byte // Ed25519 consensus key
}

// Name is the act's type.
func (*Ready) Name() string { return "Ready" }

// Role is what a key needs to sign it: either role will do.
func (*Ready) Role() uint32 { return RoleOperator | RoleAdmin }

func (*Ready) names() int { return 0 }

func (r *Ready) bind(b *binding) {
	bind(b, 1, "key", &r.Key, publicKey)
	b.need("key", len(r.Key) > 0)
}
