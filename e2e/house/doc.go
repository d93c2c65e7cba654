// Package house holds no code: its tests are the rules of this repository about
// itself. What they forbid is forbidden for a reason that each test names.
package house
