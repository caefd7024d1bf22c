package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1" //nolint:gosec // as Git has it
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// FuzzRetryAfter: whatever a server asks for, it is left alone for no less than nothing and for no more than a day.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "5", "-5", "1e3", "9223372036854775807", "-9223372036854775808", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(text, "Wed, 21 Oct 2015 07:27:00 GMT")
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		d := retryAfter(text, date)
		if d < 0 || d > 24*time.Hour {
			t.Errorf("%q at %q: %s", text, date, d)
		}
		if at, err := http.ParseTime(text); err == nil {
			if now, err := http.ParseTime(date); err == nil && at.After(now) != (d > 0) {
				t.Errorf("%q at %q: %s", text, date, d)
			}
		}
	})
}

// FuzzPick: a ref is what the server's list names so, a tag the commit that it leads to; what is not there is the user's to mend.
func FuzzPick(f *testing.F) {
	const one, two = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	lists := []string{
		one + " HEAD symref-target:refs/heads/main\n" + one + " refs/heads/main\n" + one + " refs/tags/v1.2.3 peeled:" + two,
		one + " refs/tags/v1.0.0\n" + two + " refs/tags/1.0.0\n" + two + " refs/tags/v2.0.0-rc.1",
		"unborn HEAD symref-target:refs/heads/main", one + " refs/heads/a\n" + two + " refs/heads/a",
	}
	for _, list := range lists {
		f.Add(list, "main", "", "")
		f.Add(list, "", "v1.2.3", "")
		f.Add(list, "", "", ">=1.0.0, <3")
		f.Add(list, "HEAD", "", "*-0")
	}
	f.Fuzz(func(t *testing.T, list, branch, tag, ranged string) {
		var body []byte
		for line := range strings.SplitSeq(list, "\n") {
			if len(line) > 60000 {
				return
			}
			body = fmt.Appendf(body, "%04x%s", len(line)+4, line)
		}
		refs, err := wire.ReadRefs(wire.NewReader(bytes.NewReader(append(body, "0000"...))))
		if err != nil {
			return
		}
		wants := []source.Ref{{Branch: branch}, {Tag: tag}, {SemVer: ranged}, {Branch: branch, Tag: tag}}
		all := pickAll(wants, refs)
		if len(all) != len(wants) {
			t.Fatalf("%d answers to %d refs", len(all), len(wants))
		}
		for i, r := range all {
			if r.Err != nil {
				if fault.KindOf(r.Err) != fault.Invalid || r.Commit != "" {
					t.Errorf("%v: %v (%s)", wants[i], r, fault.KindOf(r.Err))
				}
				continue
			}
			if !leads(refs, r.Resolved) {
				t.Errorf("%v is %s at %s, of %v", wants[i], r.Name, r.Commit, refs)
			}
		}
	})
}

func leads(refs []wire.Ref, r source.Resolved) bool {
	for _, l := range refs {
		if l.Name == r.Name && l.Commit() == string(r.Commit) && isCommit(r.Commit) {
			return true
		}
	}
	return false
}

// entry is an object in a pack: kind, and what comes before its compressed content.
func entry(kind byte, size int, base, content []byte) []byte {
	var b bytes.Buffer
	head := kind<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	b.WriteByte(head)
	b.Write(base)
	z := zlib.NewWriter(&b)
	_, _ = z.Write(content)
	_ = z.Close()
	return b.Bytes()
}

// packOf puts a header before entries, and the sum behind them that a receiver checks.
func packOf(n uint32, entries []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), n)
	b = append(b, entries...)
	sum := sha1.Sum(b) //nolint:gosec // as Git has it
	return append(b, sum[:]...)
}

func idOf(kind string, content []byte) []byte {
	sum := sha1.Sum(append(fmt.Appendf(nil, "%s %d\x00", kind, len(content)), content...)) //nolint:gosec // as Git has it
	return sum[:]
}

const packedBlob, packedTag, offsetDelta, refDelta = 3, 4, 6, 7

// FuzzPack: git takes a pack as a whole or not at all, whatever is in it, and what the mirror held before is as it was. What is refused may be tried again.
func FuzzPack(f *testing.F) {
	base := []byte("data: {theme: light, more: words}\n")
	whole := entry(packedBlob, len(base), nil, base)
	delta := []byte{byte(len(base)), byte(len(base)), 0x90, byte(len(base))} // copy all
	tag := fmt.Appendf(nil, "object %x\ntype blob\ntag v1\ntagger a <a@b> 1 +0000\n\nfirst\n", idOf("blob", base))
	f.Add(uint32(1), whole)
	f.Add(uint32(2), append(bytes.Clone(whole), entry(refDelta, len(delta), idOf("blob", base), delta)...))
	f.Add(uint32(2), append(bytes.Clone(whole), entry(offsetDelta, len(delta), []byte{byte(len(whole))}, delta)...))
	f.Add(uint32(2), append(bytes.Clone(whole), entry(packedTag, len(tag), nil, tag)...))
	f.Add(uint32(1), entry(refDelta, len(delta), idOf("blob", []byte("none")), delta))
	f.Add(uint32(1), entry(packedBlob, 1<<40, nil, base))
	f.Add(uint32(1<<31), whole)
	m, err := Open(f.TempDir(), "https://git.example.com/shop.git", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = m.Close() })
	kept := []byte("what was there before\n")
	if err := m.index(f.Context(), bytes.NewReader(packOf(1, entry(packedBlob, len(kept), nil, kept)))); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, n uint32, entries []byte) {
		before := objects(t, m)
		err := m.index(t.Context(), bytes.NewReader(packOf(n, entries)))
		after := objects(t, m)
		if err == nil {
			return
		}
		if fault.KindOf(err) != fault.Transient {
			t.Errorf("%v is %s", err, fault.KindOf(err))
		}
		if rebuilt := strings.Contains(err.Error(), "unresolved delta"); !rebuilt && before != after {
			t.Errorf("refused (%v), and yet\n%s\nbecame\n%s", err, before, after)
		}
	})
}

// objects lists all that a mirror holds, each read and found to be whole.
func objects(t *testing.T, m *Mirror) string {
	t.Helper()
	cmd := m.bare.command(context.WithoutCancel(t.Context()), "cat-file", "--batch-check", "--batch-all-objects")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// FuzzKey: a key that cannot be used is the user's to mend, and no error tells anything of it.
func FuzzKey(f *testing.F) {
	const private = "-----BEGIN OPENSSH PRIVATE KEY-----\ncorrect\n-----END OPENSSH PRIVATE KEY-----\n"
	f.Add([]byte(private), []byte("horse"), []byte("git.example.com ssh-ed25519 AAAA"))
	f.Add([]byte("x"), []byte(""), []byte("@revoked * ssh-rsa AAAAB3NzaC1yc2E="))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), []byte("p"), []byte("|1|a|b ssh-rsa A"))
	f.Fuzz(func(t *testing.T, identity, passphrase, hosts []byte) {
		at, err := parseURL("ssh://git@git.example.com/shop.git")
		if err != nil {
			t.Fatal(err)
		}
		transport := newSSH(at, t.TempDir(), upload, Options{})
		_, err = transport.config(Auth{Identity: identity, Passphrase: passphrase, KnownHosts: hosts})
		if err == nil {
			return
		}
		if fault.KindOf(err) != fault.Invalid || len(err.Error()) > 500 {
			t.Errorf("%s: %v", fault.KindOf(err), err)
		}
		for _, hidden := range [][]byte{identity, passphrase} {
			if len(hidden) > 12 && !strings.Contains(private, string(hidden)) && strings.Contains(err.Error(), string(hidden)) {
				t.Errorf("it tells %q: %v", hidden, err)
			}
		}
	})
}
