package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// entry is one version of a chart in an index.yaml.
type entry struct {
	Version string   `json:"version" yaml:"version"`
	URLs    []string `json:"urls" yaml:"urls"`
	Digest  string   `json:"digest" yaml:"digest"`
}

// Bounds of an index. An index of a few thousand charts has some 50 MiB: as YAML it would take ten times that to be understood as a whole, so that only what
// is said of the one chart is.
const (
	maxWhole    = 8 << 20 // bytes of an index that has to be understood as a whole
	maxSection  = 8 << 20 // bytes of what is said of one chart
	maxVersions = 20_000
)

// entriesOf returns the versions of a chart in an index; none if it is not there. Errors are of kind fault.Invalid.
func entriesOf(index []byte, chart string) ([]entry, error) {
	index = bytes.TrimPrefix(index, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(index), []byte("{")) {
		return entriesOfJSON(index, chart)
	}
	if text, ok := section(index, chart); ok {
		var all map[string][]entry
		if len(text) <= maxSection && yaml.Unmarshal(text, &all) == nil && len(all) <= 1 {
			return bounded(all[chart])
		}
	}
	if len(index) > maxWhole {
		return nil, fault.Newf(fault.Invalid, "the index is larger than %d MiB, and not laid out as helm repo index does it", maxWhole>>20)
	}
	var whole struct {
		Entries map[string][]entry `yaml:"entries"`
	}
	if err := yaml.Unmarshal(index, &whole); err != nil {
		return nil, fault.Newf(fault.Invalid, "the index is no YAML: %s", clip(err.Error()))
	}
	if whole.Entries == nil {
		return nil, errNoIndex
	}
	return bounded(whole.Entries[chart])
}

var errNoIndex = fault.New(fault.Invalid, errors.New("it is no index of charts: it has no entries"))

func bounded(all []entry) ([]entry, error) {
	if len(all) > maxVersions {
		return nil, fault.Newf(fault.Invalid, "the chart has more than %d versions", maxVersions)
	}
	return all, nil
}

// section cuts out what an index in block style says of one chart: the lines from its name to the next name. It is false if the index does not look like one
// that helm wrote; then nothing is known.
func section(index []byte, chart string) ([]byte, bool) {
	_, rest, found := bytes.Cut(index, []byte("\nentries:\n"))
	if !found {
		if rest, found = bytes.CutPrefix(index, []byte("entries:\n")); !found {
			return nil, false
		}
	}
	var out []byte
	within, seen, names := false, false, 0
	for len(rest) > 0 {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		text := bytes.TrimRight(line[:min(len(line), 300)], "\r\n")
		switch {
		case len(bytes.TrimSpace(text)) == 0 || text[0] == '#':
		case text[0] != ' ':
			return out, true // the end of the entries
		case len(text) < 3 || text[1] != ' ':
			return nil, false
		case text[2] != ' ' && text[2] != '-':
			name, tail, ok := bytes.Cut(text[2:], []byte(":"))
			if !ok || len(tail) > 0 || bytes.ContainsAny(name, "\"'&*!{}[]#?| ") {
				return nil, false
			}
			if within = string(name) == chart; within && seen {
				return nil, false
			}
			seen = seen || within
			names++
		case names == 0:
			return nil, false
		}
		if within {
			if out = append(out, line...); len(out) > maxSection {
				return out, true
			}
		}
	}
	return out, true
}

// entriesOfJSON reads an index that is JSON, one chart at a time.
func entriesOfJSON(index []byte, chart string) ([]entry, error) {
	d := json.NewDecoder(bytes.NewReader(index))
	bad := func(err error) ([]entry, error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fault.Newf(fault.Invalid, "the index is no JSON: %s", clip(err.Error()))
	}
	if err := into(d); err != nil {
		return bad(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return bad(err)
		}
		if name != "entries" {
			var skip json.RawMessage
			if err := d.Decode(&skip); err != nil {
				return bad(err)
			}
			continue
		}
		if err := into(d); err != nil {
			return bad(err)
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return bad(err)
			}
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return bad(err)
			}
			if name != chart {
				continue
			}
			var all []entry
			if err := json.Unmarshal(raw, &all); err != nil {
				return bad(err)
			}
			return bounded(all)
		}
		return nil, nil
	}
	return nil, errNoIndex
}

// into enters an object.
func into(d *json.Decoder) error {
	t, err := d.Token()
	if err == nil && t != json.Delim('{') {
		err = errors.New("there is something else where an object belongs")
	}
	return err
}

// isExact reports whether a version is one, and not a range.
func isExact(version string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v"))
	return err == nil
}

// choose returns the highest of the versions that a wish means. An empty wish, or *, is any that is no pre-release.
func choose(wish string, versions []string) (string, error) {
	if isExact(wish) {
		for _, v := range versions {
			if v == wish {
				return v, nil
			}
		}
		for _, v := range versions {
			if strings.TrimPrefix(v, "v") == strings.TrimPrefix(wish, "v") {
				return v, nil
			}
		}
		return "", fault.Newf(fault.Invalid, "there is no version %s%s", wish, others(versions))
	}
	text := wish
	if text == "" {
		text = "*"
	}
	if len(text) > 255 {
		return "", fault.Newf(fault.Invalid, "%q is no range of versions: it is too long", clip(text))
	}
	in, err := semver.NewConstraint(text)
	if err != nil {
		return "", fault.Newf(fault.Invalid, "%q is no version and no range of versions: %w", text, err)
	}
	if best := highest(in, versions); best != "" {
		return best, nil
	}
	return "", fault.Newf(fault.Invalid, "no version is in the range %q%s", text, others(versions))
}

// highest is the highest version in a range, nil for any; empty if there is none.
func highest(in *semver.Constraints, versions []string) string {
	var best *semver.Version
	var chosen string
	for _, v := range versions {
		parsed, err := semver.StrictNewVersion(strings.TrimPrefix(v, "v"))
		if err != nil || in != nil && !in.Check(parsed) {
			continue
		}
		if best == nil || parsed.GreaterThan(best) || parsed.Equal(best) && v > chosen {
			best, chosen = parsed, v
		}
	}
	return chosen
}

// others says what versions there are.
func others(versions []string) string {
	if len(versions) == 0 {
		return ": there is none at all"
	}
	if newest := highest(nil, versions); newest != "" {
		return ": the newest is " + clip(newest)
	}
	return ": there are others, such as " + clip(versions[0])
}
