package history

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Query says which records are meant. The zero Query means all of them.
type Query struct {
	Namespaces   []string  // nil: all
	Environments []string  // nil: all
	App          string    // with what happened to all of its environment
	Kinds        []Kind    // nil: all
	From, To     time.Time // of what happened; To itself is included
	// Newest is how many of them, the last ones; 0: all.
	Newest int
	// Latest means the last record of each kind and phase of each app and environment: what At needs to know for the time To.
	Latest bool
}

// Values is a query as it is sent, but for its namespaces, which have a place of their own.
func (q Query) Values() url.Values {
	v := url.Values{}
	for _, e := range q.Environments {
		v.Add("environment", e)
	}
	for _, k := range q.Kinds {
		v.Add("kind", string(k))
	}
	set := func(name, value string, is bool) {
		if is {
			v.Set(name, value)
		}
	}
	set("app", q.App, q.App != "")
	set("from", q.From.Format(time.RFC3339Nano), !q.From.IsZero())
	set("to", q.To.Format(time.RFC3339Nano), !q.To.IsZero())
	set("newest", strconv.Itoa(q.Newest), q.Newest > 0)
	set("latest", "true", q.Latest)
	return v
}

// ParseQuery reads what Values made. What it does not know is an error of kind Invalid: a filter that is not applied would show too much.
func ParseQuery(v url.Values) (Query, error) {
	var q Query
	for name, values := range v {
		if name != "environment" && name != "kind" && len(values) != 1 {
			return q, fault.Newf(fault.Invalid, "%s is said more than once", clip(name, 100))
		}
		var err error
		switch name {
		case "environment":
			q.Environments = values
		case "app":
			q.App = values[0]
		case "kind":
			for _, k := range values {
				q.Kinds = append(q.Kinds, Kind(k))
			}
		case "from":
			q.From, err = time.Parse(time.RFC3339Nano, values[0])
		case "to":
			q.To, err = time.Parse(time.RFC3339Nano, values[0])
		case "newest":
			q.Newest, err = strconv.Atoi(values[0])
		case "latest":
			q.Latest, err = strconv.ParseBool(values[0])
		default:
			return q, fault.Newf(fault.Invalid, "%s is nothing that records are asked for by", clip(name, 100))
		}
		if err != nil {
			return q, fault.Newf(fault.Invalid, "%s: %w", name, err)
		}
	}
	if i := slices.IndexFunc(q.Kinds, func(k Kind) bool { return !k.known() }); i >= 0 {
		return q, fault.Newf(fault.Invalid, "there is no kind %q of records", clip(string(q.Kinds[i]), 100))
	}
	return q, nil
}

// Headers of an answer with records: where the chain ends, when the last thing happened of which the records were dropped with age, if any were, and, while the
// store takes none, why records wait.
const (
	EndHeader     = "Fairlead-History-End"
	DroppedHeader = "Fairlead-History-Dropped"
	WaitingHeader = "Fairlead-History-Waiting"
)
