package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const (
	id1 = "1111111111111111111111111111111111111111"
	id2 = "2222222222222222222222222222222222222222"
)

// packets writes lines as packets; an empty one is a flush, a single "|" a delimiter.
func packets(lines ...string) []byte {
	var m message
	for _, l := range lines {
		switch l {
		case "":
			m.flush()
		case "|":
			m.delim()
		default:
			m.linef("%s", l)
		}
	}
	return m.b
}

func reader(b []byte) *Reader { return NewReader(bytes.NewReader(b)) }

func TestAdvert(t *testing.T) {
	a, err := ReadAdvert(reader(packets("version 2", "agent=git/2", "ls-refs=unborn", "fetch=shallow filter", "object-format=sha256", "")))
	if err != nil || a.Version != 2 || !a.Has("fetch=filter") || a.Has("fetch=sideband-all") || !a.Has("agent") || a.Format() != "sha256" {
		t.Errorf("got %+v, %v", a, err)
	}
	a, err = ReadAdvert(reader(packets("# service=git-upload-pack", "", id1+" HEAD\x00multi_ack symref=HEAD:refs/heads/main symref=X:refs/heads/x",
		id1+" refs/heads/main", id2+" refs/tags/v1", id1+" refs/tags/v1^{}", "shallow "+id1, "")))
	if err != nil || a.Version != 0 || len(a.Refs) != 3 || a.Refs[0].Target != "refs/heads/main" || a.Refs[2].Commit() != id1 || a.Format() != "sha1" {
		t.Errorf("got %+v, %v", a, err)
	}
	a, err = ReadAdvert(reader(packets("version 1", strings.Repeat("0", 40)+" capabilities^{}\x00ofs-delta", "")))
	if err != nil || a.Version != 1 || len(a.Refs) != 0 || !a.Has("ofs-delta") {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestRefusedPackets(t *testing.T) {
	var said *ServerError
	for text, want := range map[string]error{
		"<html>": ErrNotGit, "": io.ErrUnexpectedEOF, "00": io.ErrUnexpectedEOF, "0009ERR x": nil, "0003": nil, "ffff": nil, "0010short": io.ErrUnexpectedEOF,
	} {
		_, err := ReadAdvert(reader([]byte(text)))
		if err == nil || want != nil && !errors.Is(err, want) || strings.Contains(text, "ERR") && !errors.As(err, &said) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, line := range []string{"x refs/heads/a", id1 + " refs/heads/a b^", id1 + "  ", id1 + " refs/heads/\x01"} {
		if refs, err := ReadRefs(reader(packets(line, ""))); err == nil && !isRefName(refs[0].Name) {
			t.Errorf("%q: %v", line, refs)
		}
	}
}

func TestBound(t *testing.T) {
	limit := errors.New("too large")
	data, err := io.ReadAll(Bound(strings.NewReader("12345"), 5, limit))
	if err != nil || string(data) != "12345" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err = io.ReadAll(Bound(strings.NewReader("123456"), 5, limit)); !errors.Is(err, limit) {
		t.Errorf("got %v", err)
	}
}

func TestAnswer(t *testing.T) {
	pack := "PACK data"
	body := append(packets("acknowledgments", "ACK "+id1, "ready", "|", "shallow-info", "shallow "+id1, "unshallow "+id2, "|", "packfile"),
		packets("\x02progress", "\x01"+pack, "")...)
	ans, err := ReadAnswer(reader(body), Advert{Version: 2}, Fetch{})
	if err != nil || len(ans.Shallow) != 1 || len(ans.Unshallow) != 1 || ans.Pack == nil {
		t.Fatalf("got %+v, %v", ans, err)
	}
	if got, err := io.ReadAll(ans.Pack); err != nil || string(got) != pack+"\n" {
		t.Errorf("got %q, %v", got, err)
	}
	ans, err = ReadAnswer(reader(packets("acknowledgments", "NAK", "")), Advert{Version: 2}, Fetch{})
	if err != nil || ans.Pack != nil {
		t.Errorf("got %+v, %v", ans, err)
	}
	side := Advert{Caps: map[string]string{"side-band-64k": ""}}
	ans, err = ReadAnswer(reader(append(packets("shallow "+id1, "", "ACK "+id1+" common", "ACK "+id1), packets("\x01"+pack, "")...)), side, Fetch{Depth: 1})
	if err != nil || len(ans.Shallow) != 1 {
		t.Fatalf("got %+v, %v", ans, err)
	}
	if got, err := io.ReadAll(ans.Pack); err != nil || string(got) != pack+"\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzAdvert(f *testing.F) {
	f.Add(packets("version 2", "agent=git/2", ""))
	f.Add(packets("# service=git-upload-pack", "", id1+" HEAD\x00symref=HEAD:refs/heads/main", id1+" refs/tags/v1", id2+" refs/tags/v1^{}", ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ReadAdvert(reader(data))
		if err == nil {
			checkRefs(t, a.Refs)
		}
		_ = LsRefs(a, []string{"refs/heads/main"})
		_ = Fetch{Wants: []string{id1}}.Encode(a)
	})
}

func FuzzRefs(f *testing.F) {
	f.Add(packets(id1+" HEAD symref-target:refs/heads/main", id1+" refs/tags/v1 peeled:"+id2, "unborn HEAD symref-target:refs/heads/main", ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		if refs, err := ReadRefs(reader(data)); err == nil {
			checkRefs(t, refs)
		}
	})
}

func checkRefs(t *testing.T, refs []Ref) {
	for _, r := range refs {
		if !isRefName(r.Name) || r.ID != "" && !isID(r.ID) || r.Peeled != "" && !isID(r.Peeled) || r.Target != "" && !isRefName(r.Target) {
			t.Errorf("got %+v", r)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(true, 1, packets("acknowledgments", "ACK "+id1, "|", "packfile", "\x01PACK", ""))
	f.Add(false, 1, packets("shallow "+id1, "", "NAK", "\x01PACK", ""))
	f.Fuzz(func(t *testing.T, v2 bool, depth int, data []byte) {
		a := Advert{Caps: map[string]string{"side-band-64k": ""}}
		if v2 {
			a.Version = 2
		}
		ans, err := ReadAnswer(reader(data), a, Fetch{Depth: depth})
		if err != nil {
			return
		}
		for _, id := range append(ans.Shallow, ans.Unshallow...) {
			if !isID(id) {
				t.Errorf("shallow %q", id)
			}
		}
		if ans.Pack != nil {
			if n, _ := io.Copy(io.Discard, ans.Pack); n > int64(len(data)) {
				t.Errorf("%d bytes of pack in %d bytes", n, len(data))
			}
		}
	})
}

// FuzzPacket: the packets are the bytes that came, one behind the other, and the error says what stopped it.
func FuzzPacket(f *testing.F) {
	for _, s := range []string{"", "0006a\n0000", "0008ERR x", "000fERR \x1b[1m\xff\n", "0004000100020008A\x00\n\xff000A123456", "0003", "fff0", "fff1", "00", "0009abc", "<html>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, rest := reader(data), data
		for {
			kind, payload, err := r.Next()
			if err != nil {
				if !stops(rest, err) {
					t.Fatalf("%.100q: %v", rest, err)
				}
				return
			}
			packet := fmt.Appendf(nil, "%04x%s", len(payload)+4, payload)
			if kind != Data {
				packet = fmt.Appendf(nil, "%04x", kind-Flush)
			}
			n := len(packet)
			if len(rest) < n || !strings.EqualFold(string(rest[:4]), string(packet[:4])) || string(rest[4:n]) != string(packet[4:]) {
				t.Fatalf("%.100q is read as %.100q", rest, packet)
			}
			rest = rest[n:]
		}
	})
}

// stops says whether err is what the first packet of rest deserves.
func stops(rest []byte, err error) bool {
	if len(rest) < 4 {
		return errors.Is(err, io.EOF) && len(rest) == 0 || errors.Is(err, io.ErrUnexpectedEOF) && len(rest) > 0
	}
	size, hex := strconv.ParseUint(string(rest[:4]), 16, 16)
	var said *ServerError
	switch {
	case hex != nil:
		return errors.Is(err, ErrNotGit)
	case size == 3 || size > maxPacket:
		return strings.Contains(err.Error(), "out of bounds")
	case size > uint64(len(rest)):
		return errors.Is(err, io.ErrUnexpectedEOF)
	case strings.HasPrefix(string(rest[4:size]), "ERR "):
		return errors.As(err, &said) && utf8.RuneCountInString(said.Text) <= 301 && !strings.ContainsFunc(said.Text, unicode.IsControl)
	}
	return false
}

// FuzzRequest: a request says what was asked for, packet by packet, and whatever a user calls a branch asks for nothing else.
func FuzzRequest(f *testing.F) {
	f.Add("refs/heads/main", "agent=git/2", id1, 1, true)
	f.Add("refs/heads/x\n0000", "object-format=sha256", id2, 0, false)
	f.Add(strings.Repeat("x", 70000), "", "", -1, true)
	f.Fuzz(func(t *testing.T, prefix, capability, id string, depth int, done bool) {
		if !isRefName(prefix) || len(prefix) > 2000 || !isID(id) { // others do not come here: FuzzPick of package git
			return
		}
		a, err := ReadAdvert(reader(packets("version 2", capability, "")))
		if err != nil {
			return
		}
		asked := lines(t, LsRefs(a, []string{prefix}))
		if len(asked) < 4 || asked[len(asked)-2] != "ref-prefix "+prefix || asked[0] != "command=ls-refs" {
			t.Errorf("asked %q", asked)
		}
		for _, a := range []Advert{a, {Caps: a.Caps}} {
			asked := lines(t, Fetch{Wants: []string{id}, Haves: []string{id}, Shallow: []string{id}, Depth: depth, Done: done}.Encode(a))
			counts := map[string]int{}
			for _, line := range asked {
				word, _, _ := strings.Cut(line, " ")
				counts[word]++
			}
			if counts["want"] != 1 || counts["have"] != 1 || counts["shallow"] != 1 || (counts["deepen"] == 1) != (depth > 0) || (counts["done"] == 1) != (done || a.Version != 2) {
				t.Errorf("asked %q", asked)
			}
		}
	})
}

// lines reads back what was written; a packet without content is "".
func lines(t *testing.T, request []byte) (all []string) {
	t.Helper()
	r := reader(request)
	for {
		kind, payload, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		text := strings.TrimSuffix(string(payload), "\n")
		if kind != Data {
			text = ""
		}
		all = append(all, text)
	}
}

// FuzzReport: whatever a server says of a push, what it says is bounded and printable, and what it did not say was done was not.
func FuzzReport(f *testing.F) {
	const ref = "refs/heads/main"
	inner := func(lines ...string) string { return string(packets(lines...)) }
	f.Add(true, packets("\x02remote: words", "\x01"+inner("unpack ok", "ok "+ref, ""), ""))
	f.Add(true, packets("\x01"+inner("unpack ok", "ng "+ref+" hook declined", ""), ""))
	f.Add(true, packets("\x03out of memory"))
	f.Add(false, packets("unpack ok", "ok "+ref, ""))
	f.Add(false, packets("unpack ok", "ok "+ref, "ng "+ref, ""))
	f.Add(false, packets("unpack no", "ok "+ref, "option refname x", ""))
	f.Fuzz(func(t *testing.T, banded bool, data []byte) {
		a := Advert{Caps: map[string]string{"report-status": ""}}
		if banded {
			a.Caps["side-band-64k"] = ""
		}
		rep, err := ReadReport(reader(data), a, Push{Ref: ref})
		if err == nil && rep.Done != (rep.Why == "") || err != nil && (rep.Done || len(err.Error()) > 3000) {
			t.Errorf("%+v, %v", rep, err)
		}
		if utf8.RuneCountInString(rep.Why) > 620 || strings.ContainsFunc(rep.Why, unicode.IsControl) {
			t.Errorf("it says %q", rep.Why)
		}
		if rep.Done && !bytes.Contains(data, []byte("ok")) {
			t.Errorf("%q is said to be done", data)
		}
	})
}

// TestPush: a push names what it moves and from where; without a report, nothing is known.
func TestPush(t *testing.T) {
	a, err := ReadAdvert(reader(packets(id1+" refs/heads/main\x00report-status side-band-64k quiet object-format=sha1 agent=git/2", "")))
	if err != nil {
		t.Fatal(err)
	}
	p := Push{Ref: "refs/heads/main", From: id1, To: id2}
	if got, want := lines(t, p.Encode(a)), id1+" "+id2+" refs/heads/main\x00 report-status side-band-64k quiet object-format=sha1 agent=fairlead"; len(got) != 2 || got[0] != want || got[1] != "" {
		t.Errorf("asked %q", got)
	}
	if _, err := ReadReport(reader(nil), Advert{}, p); !errors.Is(err, errNoReport) {
		t.Errorf("got %v", err)
	}
}
