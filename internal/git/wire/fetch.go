package wire

import "strings"

// Fetch asks for commits and all they need that the client has not.
type Fetch struct {
	Wants   []string
	Haves   []string
	Shallow []string // commits whose parents the client has not
	Depth   int      // 0: all the history
	// Done asks for the pack at once. Without it, a server of version 2 sends the pack only if every want descends
	// from a have, and otherwise just says what is common.
	Done bool
}

// Encode writes the request in the version of the advertisement.
func (f Fetch) Encode(a Advert) []byte {
	if a.Version == 2 {
		return f.encode2(a)
	}
	return f.encode0(a)
}

func (f Fetch) encode2(a Advert) []byte {
	var m message
	m.command("fetch", a)
	m.linef("thin-pack")
	m.linef("no-progress")
	m.linef("ofs-delta")
	for _, id := range f.Wants {
		m.linef("want %s", id)
	}
	f.history(&m)
	for _, id := range f.Haves {
		m.linef("have %s", id)
	}
	if f.Done {
		m.linef("done")
	}
	m.flush()
	return m.b
}

// encode0 always says done: version 0 is the fallback, and there one round has to be enough.
func (f Fetch) encode0(a Advert) []byte {
	var caps []string
	for _, c := range []string{"multi_ack_detailed", "side-band-64k", "thin-pack", "ofs-delta", "no-progress"} {
		if a.Has(c) {
			caps = append(caps, c)
		}
	}
	if a.Has("object-format") {
		caps = append(caps, "object-format="+a.Format())
	}
	if a.Has("agent") {
		caps = append(caps, "agent="+agent)
	}
	var m message
	for i, id := range f.Wants {
		if i == 0 {
			m.linef("want %s %s", id, strings.Join(caps, " "))
			continue
		}
		m.linef("want %s", id)
	}
	f.history(&m)
	m.flush()
	for _, id := range f.Haves {
		m.linef("have %s", id)
	}
	m.linef("done")
	return m.b
}

func (f Fetch) history(m *message) {
	for _, id := range f.Shallow {
		m.linef("shallow %s", id)
	}
	if f.Depth > 0 {
		m.linef("deepen %d", f.Depth)
	}
}
