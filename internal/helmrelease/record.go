package helmrelease

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Status is how a revision stands, in Helm's words.
type Status string

// The statuses that Fairlead writes. Helm knows more.
const (
	Deployed   Status = "deployed"
	Superseded Status = "superseded"
	Failed     Status = "failed"
)

// isPending reports whether somebody began with a revision, and did not end.
func (s Status) isPending() bool {
	return strings.HasPrefix(string(s), "pending-") || s == "uninstalling"
}

// Labels and the type of the Secrets that records are in.
const (
	// SecretType is the type of the Secrets that Helm keeps its records in.
	SecretType = "helm.sh/release.v1"
	// LabelApp names, on a record, the app that it is of. It is not the owner mark: a record is no object of the app.
	LabelApp = "fairlead.dev/release-of"
	// LabelNamespace is the namespace of that app.
	LabelNamespace = "fairlead.dev/release-of-namespace"

	labelWant = "fairlead.dev/want"
	labelBack = "fairlead.dev/back-from"
	dataKey   = "release"
)

// Record is one revision of a release. Treat as read-only.
type Record struct {
	Name, Namespace string // of the release
	Revision        int
	Status          Status
	App             app.Owner // that it is of; zero: Helm wrote it

	want, back string // labels of Fairlead's: what was released, and which release was gone back from
	version    string // of the Secret; empty: it is not stored
	uid        string
	labels     map[string]string
	body       map[string]json.RawMessage
}

// hashed identifies a want in a label.
func hashed(digest string) string {
	if digest == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(digest))
	return hex.EncodeToString(sum[:8])
}

// mostBytes bounds a record that is read: Helm's own are at most 1 MiB compressed.
const mostBytes = 64 << 20

// Read is the record in a Secret. What is no record of Helm's is an error of kind fault.Invalid, which shows nothing of it.
func Read(secret object.Object) (Record, error) {
	wrong := func(why string) (Record, error) {
		return Record{}, fault.Newf(fault.Invalid, "Secret %s/%s is no record of a Helm release: %s", secret.Namespace(), secret.Name(), why)
	}
	r := Record{Namespace: secret.Namespace(), version: secret.ResourceVersion(), uid: secret.UID(), labels: map[string]string{}}
	labels, _ := secret.At("metadata", "labels").(map[string]any)
	for k, v := range labels {
		if text, ok := v.(string); ok {
			r.labels[k] = text
		}
	}
	var err error
	if r.Revision, err = strconv.Atoi(r.labels["version"]); err != nil || r.Revision < 1 {
		return wrong("its label version is no number")
	}
	r.Name, r.Status, r.want, r.back = r.labels["name"], Status(r.labels["status"]), r.labels[labelWant], r.labels[labelBack]
	r.App = app.Owner{Namespace: r.labels[LabelNamespace], Name: r.labels[LabelApp]}
	text, err := base64.StdEncoding.DecodeString(secret.Text("data", dataKey))
	if err != nil {
		return wrong("its data are not in base64")
	}
	data, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return wrong("its data are not in base64")
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b, 8}) { // very old ones are not compressed
		if data, err = unzip(data); err != nil {
			return wrong("its data cannot be unpacked")
		}
	}
	if err := json.Unmarshal(data, &r.body); err != nil {
		return wrong("its data are not in JSON")
	}
	return r, nil
}

func unzip(data []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(zip, mostBytes+1))
	if err == nil && len(out) > mostBytes {
		err = fmt.Errorf("it is larger than %d MiB", mostBytes>>20)
	}
	return out, err
}

func zipped(data []byte, level int) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // Invariant: the level is one that there is, and a buffer takes whatever it is given.
	}
	return buf.Bytes()
}

// Secret is the record as it is stored. One that was read has the uid and the version that it was read with.
func (r Record) Secret() object.Object {
	body, err := json.Marshal(r.body)
	if err != nil {
		panic(err) // Invariant: what is in a body was encoded here, or read.
	}
	text := base64.StdEncoding.EncodeToString(zipped(body, gzip.BestCompression))
	labels := map[string]any{}
	for k, v := range r.labels {
		labels[k] = v
	}
	for k, v := range map[string]string{
		"name": r.Name, "owner": "helm", "status": string(r.Status), "version": strconv.Itoa(r.Revision),
		LabelApp: r.App.Name, LabelNamespace: r.App.Namespace, labelWant: r.want, labelBack: r.back,
	} {
		if labels[k] = v; v == "" {
			delete(labels, k)
		}
	}
	meta := map[string]any{"name": r.SecretName(), "namespace": r.Namespace, "labels": labels}
	if r.version != "" {
		meta["resourceVersion"], meta["uid"] = r.version, r.uid
	}
	return object.New(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": SecretType, "metadata": meta,
		"data": map[string]any{dataKey: base64.StdEncoding.EncodeToString([]byte(text))},
	})
}

// SecretName is the name of the Secret that the record is in.
func (r Record) SecretName() string {
	return "sh.helm.release.v1." + r.Name + ".v" + strconv.Itoa(r.Revision)
}

// info is what Helm says of a revision. Times are as Helm writes them.
type info struct {
	First       string `json:"first_deployed,omitempty"`
	Last        string `json:"last_deployed,omitempty"`
	Deleted     string `json:"deleted,omitempty"`
	Description string `json:"description,omitempty"`
	Status      Status `json:"status,omitempty"`
	BackTo      int    `json:"rollback_revision,omitempty"`
	Notes       string `json:"notes,omitempty"`
}

func (r Record) info() info {
	var i info
	_ = json.Unmarshal(r.body["info"], &i) // what cannot be read is not said
	return i
}

// with is the record with another status, and why.
func (r Record) with(s Status, why string, at time.Time) Record {
	i := r.info()
	i.Status = s
	if why != "" {
		i.Description = why
	}
	r.Status = s
	return r.saying(i).labelled("modifiedAt", at)
}

func (r Record) saying(i info) Record {
	r.body = maps.Clone(r.body)
	r.body["info"] = encoded(i)
	return r
}

func (r Record) labelled(label string, at time.Time) Record {
	r.labels = maps.Clone(r.labels)
	r.labels[label] = strconv.FormatInt(at.Unix(), 10)
	return r
}

// encoded is a value as JSON.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // Invariant: only texts, numbers and lists of them are encoded here.
	}
	return text
}
