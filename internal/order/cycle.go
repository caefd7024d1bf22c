package order

import (
	"maps"
	"slices"
)

// Cycle returns one cycle of a graph, nil if there is none: each name depends on the next, and the first name stands again at the end, so
// that strings.Join(cycle, " → ") is the sentence. edges are the names that each name depends on; a name without edges may be absent.
// The cycle begins with its first name in the alphabet; which of several is returned depends on the graph alone.
func Cycle(edges map[string][]string) []string {
	s := search{edges: edges, state: make(map[string]visit, len(edges))}
	for _, name := range slices.Sorted(maps.Keys(edges)) {
		if cycle := s.from(name); cycle != nil {
			return cycle
		}
	}
	return nil
}

type visit uint8

const (
	unseen visit = iota
	onPath
	done
)

// search is a depth-first walk. Invariant: path holds the names that are onPath, each depending on the next.
type search struct {
	edges map[string][]string
	state map[string]visit
	path  []string
}

func (s *search) from(name string) []string {
	switch s.state[name] {
	case done:
		return nil
	case onPath:
		return fromFirst(s.path[slices.Index(s.path, name):])
	case unseen:
	}
	s.state[name] = onPath
	s.path = append(s.path, name)
	for _, next := range slices.Sorted(slices.Values(s.edges[name])) {
		if cycle := s.from(next); cycle != nil {
			return cycle
		}
	}
	s.state[name] = done
	s.path = s.path[:len(s.path)-1]
	return nil
}

// fromFirst turns a ring so that it begins, and ends, with its first name in the alphabet.
func fromFirst(ring []string) []string {
	i := slices.Index(ring, slices.Min(ring))
	return slices.Concat(ring[i:], ring[:i], ring[i:i+1])
}
