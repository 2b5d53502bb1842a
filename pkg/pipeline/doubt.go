package pipeline

// One mistake is one error: what follows from an operator that is wrong is not reported.

// doubt notes what an operator would have made that was reported as wrong.
func (c *compiler) doubt(o *OperatorSpec) {
	if c.doubtful == nil {
		c.doubtful = map[string]bool{}
	}
	switch o.Kind {
	case "filter":
	case "mask":
		if o.Mask != nil {
			c.doubtful[o.Mask.Column] = true // its type
		}
	case "with":
		for _, a := range o.With {
			c.doubtful[a.Column] = true
		}
	case "rename":
		for _, r := range o.Rename {
			c.doubtful[r.Old], c.doubtful[r.New] = true, true
		}
	case "select", "drop":
		for _, name := range o.Names {
			c.doubtful[name] = true
		}
		c.lost = c.lost || o.bad
	default:
		c.lost = c.lost || o.bad // nobody knows what it would have made
	}
}
