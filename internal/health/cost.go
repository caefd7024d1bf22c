package health

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Bounds of one expression, so that a rule can neither hang us nor fill memory. One unit of cost is about 0.1 µs.
const (
	maxExpression = 4096
	maxNodes      = 2_000
	maxDepth      = 50
	maxCost       = 100_000
)

// library is standard CEL without matches: one regular expression over one long text can take seconds, and its cost is counted
// only afterwards. The extensions for texts are left out for the same reason: replace can make gigabytes in one call.
func library() cel.EnvOption {
	return cel.StdLib(cel.StdLibSubset(env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction("matches"))))
}

// meter counts the work of each call by the size of what it is given. CEL's own count goes by overloads, which are not known when types
// are dynamic, as all of ours are: size() of a long text and a + b would be free.
type meter struct{}

// CallCost implements cel-go's ActualCostEstimator.
func (meter) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	deep := function == "_==_" || function == "_!=_" || function == "@in"
	cost := uint64(1)
	for _, arg := range args {
		if cost += weight(arg, deep, maxCost); cost > maxCost {
			break
		}
	}
	return &cost
}

// weight is the work of walking over a value: shallow for most calls, deep for a comparison. It stops soon after most.
func weight(v ref.Val, deep bool, most uint64) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v)) / 64
	case types.Bytes:
		return uint64(len(v)) / 64
	case traits.Mapper:
		return walk(v, deep, most, func(key ref.Val) ref.Val { return v.Get(key) })
	case traits.Lister:
		return walk(v, deep, most, func(item ref.Val) ref.Val { return item })
	}
	return 0
}

func walk(v traits.Iterable, deep bool, most uint64, value func(ref.Val) ref.Val) uint64 {
	if !deep {
		return 0
	}
	var n uint64
	for it := v.Iterator(); it.HasNext() == types.True && n <= most; {
		n += 2 + weight(value(it.Next()), true, most)
	}
	return n
}
