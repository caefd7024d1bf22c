package sealed

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Scope says where a SealedSecret opens.
type Scope string

// The scopes.
const (
	Strict        Scope = "strict"         // under its name, in its namespace
	NamespaceWide Scope = "namespace-wide" // under any name, in its namespace
	ClusterWide   Scope = "cluster-wide"   // anywhere
)

const (
	group             = "bitnami.com"
	kind              = "SealedSecret"
	annotationPrefix  = "sealedsecrets.bitnami.com/"
	clusterWideMark   = annotationPrefix + "cluster-wide"
	namespaceWideMark = annotationPrefix + "namespace-wide"

	maxValues  = 1000 // an API server stores a MiB
	sessionKey = 32
)

// Is reports whether an object is a SealedSecret.
func Is(o object.Object) bool {
	k := o.Key()
	return k.Group == group && k.Kind == kind
}

// ScopeOf reads the scope from the annotations, as Sealed Secrets does.
func ScopeOf(o object.Object) Scope {
	switch {
	case o.Annotation(clusterWideMark) == "true":
		return ClusterWide
	case o.Annotation(namespaceWideMark) == "true":
		return NamespaceWide
	}
	return Strict
}

// label is what binds a value to where it opens.
func (s Scope) label(namespace, name string) []byte {
	switch s {
	case ClusterWide:
		return nil
	case NamespaceWide:
		return []byte(namespace)
	case Strict:
	}
	return []byte(namespace + "/" + name)
}

func (s Scope) where(namespace, name string) string {
	switch s {
	case ClusterWide:
		return "anywhere (scope cluster-wide)"
	case NamespaceWide:
		return "namespace " + namespace + " (scope namespace-wide)"
	case Strict:
	}
	return namespace + "/" + name + " (scope strict)"
}

// Opener unseals, and counts: each try costs an operation of a private key. The zero Opener has no keys. It is not safe for concurrent use.
type Opener struct {
	Keys []Key
	// Where says in errors where the keys are from.
	Where string
	tries int
}

// maxTries bounds an Opener: some milliseconds each.
const maxTries = 20_000

// Unseal returns the Secret of a SealedSecret. Namespace is where an object goes that names none.
func (op *Opener) Unseal(o object.Object, namespace string) (object.Object, error) {
	u := unsealing{Opener: op, o: o, name: o.Name(), namespace: cmp.Or(o.Namespace(), namespace), scope: ScopeOf(o)}
	values, err := u.values()
	if err != nil {
		return object.Object{}, err
	}
	texts, err := u.templates(values)
	if err != nil {
		return object.Object{}, err
	}
	data := map[string]any{}
	for key, v := range values {
		data[key] = base64.StdEncoding.EncodeToString(v)
	}
	for key, v := range texts {
		data[key] = base64.StdEncoding.EncodeToString([]byte(v))
	}
	return u.secret(data)
}

// Outline returns the Secret that a SealedSecret stands for, with a text in the place of each value: for those who have no keys.
func Outline(o object.Object, placeholder string) (object.Object, error) {
	u := unsealing{Opener: &Opener{}, o: o, name: o.Name(), namespace: o.Namespace()}
	data := map[string]any{}
	for _, field := range [][]string{{"spec", "encryptedData"}, {"spec", "template", "data"}} {
		m, _ := o.At(field...).(map[string]any)
		for key := range m {
			data[key] = base64.StdEncoding.EncodeToString([]byte(placeholder))
		}
	}
	return u.secret(data)
}

type unsealing struct {
	*Opener
	o               object.Object
	name, namespace string
	scope           Scope
}

func (u *unsealing) errorf(format string, args ...any) error {
	where := u.o.Origin().String()
	if where != "" {
		where += ": "
	}
	return fault.Newf(fault.Invalid, "%s%s: "+format, append([]any{where, "SealedSecret " + strings.TrimPrefix(u.namespace+"/"+u.name, "/")}, args...)...)
}

func (u *unsealing) values() (map[string][]byte, error) {
	if u.o.Text("spec", "data") != "" {
		return nil, u.errorf("spec.data is the form of before 2019: seal it again")
	}
	encrypted, ok := u.o.At("spec", "encryptedData").(map[string]any)
	if !ok && u.o.At("spec", "encryptedData") != nil {
		return nil, u.errorf("spec.encryptedData is no map")
	}
	if len(encrypted) > maxValues {
		return nil, u.errorf("more than %d values", maxValues)
	}
	if len(u.Keys) == 0 {
		return nil, u.errorf("there is no key to open it%s", u.where())
	}
	out := map[string][]byte{}
	for _, key := range slices.Sorted(maps.Keys(encrypted)) {
		text, ok := encrypted[key].(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil {
			return nil, u.errorf("spec.encryptedData.%s is no base64", key)
		}
		if out[key], err = u.value(key, raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u *unsealing) where() string {
	if u.Where == "" {
		return ""
	}
	return " " + u.Where
}

func (u *unsealing) value(key string, raw []byte) ([]byte, error) {
	if len(raw) < 2 || len(raw) < 2+int(binary.BigEndian.Uint16(raw)) {
		return nil, u.errorf("spec.encryptedData.%s is cut off: seal it again", key)
	}
	n := 2 + int(binary.BigEndian.Uint16(raw))
	plain, err := u.try(raw[2:n], raw[n:], u.scope)
	if err == nil {
		return plain, nil
	}
	if !errors.Is(err, errNoKey) {
		return nil, u.errorf("spec.encryptedData.%s %w", key, err)
	}
	for _, other := range []Scope{Strict, NamespaceWide, ClusterWide} {
		if other == u.scope {
			continue
		}
		if _, err := u.try(raw[2:n], raw[n:], other); err == nil {
			return nil, u.errorf("spec.encryptedData.%s was sealed for %s, and its annotations say %s: set them as it was sealed, or seal it again",
				key, other.where(u.namespace, u.name), u.scope.where(u.namespace, u.name))
		}
	}
	return nil, u.errorf("spec.encryptedData.%s does not open for %s with any of the %d keys%s: it was sealed for another namespace or name, with a key that is not there, "+
		"or was changed: seal it again with `fairlead secret seal`", key, u.scope.where(u.namespace, u.name), len(u.Keys), u.where())
}

var (
	errNoKey   = errors.New("no key opens it")
	errChanged = errors.New("was changed since it was sealed: seal it again")
	errTries   = fmt.Errorf("is one of too many: more than %d tries of keys in one render", maxTries)
)

// try tries each key, the one that opened the last value first.
func (u *unsealing) try(wrapped, body []byte, scope Scope) ([]byte, error) {
	for i, key := range u.Keys {
		if u.tries++; u.tries > maxTries {
			return nil, errTries
		}
		session, err := rsa.DecryptOAEP(sha256.New(), nil, key.Private, wrapped, scope.label(u.namespace, u.name))
		if err != nil {
			continue
		}
		if i > 0 {
			u.Keys = slices.Clone(u.Keys)
			u.Keys[0], u.Keys[i] = u.Keys[i], u.Keys[0]
		}
		gcm, err := newGCM(session)
		if err != nil {
			return nil, errChanged
		}
		plain, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), body, nil)
		if err != nil {
			return nil, errChanged
		}
		return plain, nil
	}
	return nil, errNoKey
}

func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != sessionKey {
		return nil, errChanged
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// ours are the annotations of a SealedSecret that say how it is delivered: they hold for the Secret that takes its place.
var ours = []string{"fairlead.dev/", "argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.sh/", "reloader.stakater.com/"}

// secret puts the Secret together.
func (u *unsealing) secret(data map[string]any) (object.Object, error) {
	if _, ok := u.o.At("spec").(map[string]any); !ok {
		return object.Object{}, u.errorf("spec is no map: make it of a Secret with `fairlead secret seal`")
	}
	template, ok := u.o.At("spec", "template").(map[string]any)
	if !ok && u.o.At("spec", "template") != nil {
		return object.Object{}, u.errorf("spec.template is no map")
	}
	meta := map[string]any{"name": u.name}
	if ns := u.o.Namespace(); ns != "" {
		meta["namespace"] = ns
	}
	annotations := map[string]any{}
	if have, ok := u.o.At("metadata", "annotations").(map[string]any); ok {
		for name, value := range have {
			if slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				annotations[name] = value
			}
		}
	}
	if more, ok := u.o.At("spec", "template", "metadata", "annotations").(map[string]any); ok {
		maps.Copy(annotations, more)
	}
	maps.DeleteFunc(annotations, func(name string, _ any) bool { return strings.HasPrefix(name, annotationPrefix) })
	if len(annotations) > 0 {
		meta["annotations"] = annotations
	}
	if labels, ok := u.o.At("spec", "template", "metadata", "labels").(map[string]any); ok && len(labels) > 0 {
		meta["labels"] = labels
	}
	content := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}
	for _, field := range []string{"type", "immutable"} {
		if v := template[field]; v != nil && v != "" {
			content[field] = v
		}
	}
	return object.New(content).WithOrigin(u.o.Origin()), nil
}

// Seal makes a SealedSecret of a Secret. Namespace is where it goes if it names none.
func Seal(secret object.Object, namespace string, key *rsa.PublicKey, scope Scope) (object.Object, error) {
	if k := secret.Key(); k.Group != "" || k.Kind != "Secret" {
		return object.Object{}, fault.Newf(fault.Invalid, "%s is no Secret: only a Secret is sealed", secret)
	}
	if secret.At("sops") != nil {
		return object.Object{}, fault.Newf(fault.Invalid, "%s is encrypted by SOPS, and would be sealed as it is: open it first, with `fairlead secret decrypt`", secret)
	}
	namespace = cmp.Or(secret.Namespace(), namespace)
	name := secret.Name()
	if scope != ClusterWide && namespace == "" || scope == Strict && name == "" {
		return object.Object{}, fault.Newf(fault.Invalid, "%s names no namespace or name, and what is sealed with the scope %s is bound to it: name it", secret, scope)
	}
	values, err := plainValues(secret)
	if err != nil {
		return object.Object{}, err
	}
	encrypted := map[string]any{}
	for k, v := range values {
		if encrypted[k], err = encrypt(v, key, scope.label(namespace, name)); err != nil {
			return object.Object{}, err
		}
	}
	return sealedObject(secret, namespace, scope, encrypted), nil
}

// plainValues are those of data and stringData.
func plainValues(secret object.Object) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, field := range []string{"data", "stringData"} {
		m, _ := secret.At(field).(map[string]any)
		for k, v := range m {
			text, ok := v.(string)
			if !ok {
				return nil, fault.Newf(fault.Invalid, "%s: %s.%s is no text: quote it", secret, field, k)
			}
			out[k] = []byte(text)
			if field == "data" {
				raw, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					return nil, fault.Newf(fault.Invalid, "%s: data.%s is no base64: write plain text under stringData", secret, k)
				}
				out[k] = raw
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.Newf(fault.Invalid, "%s has no data to seal", secret)
	}
	return out, nil
}

func encrypt(plain []byte, key *rsa.PublicKey, label []byte) (string, error) {
	session := make([]byte, sessionKey)
	_, _ = rand.Read(session) // never fails
	gcm, err := newGCM(session)
	if err != nil {
		return "", err
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, session, label)
	if err != nil {
		return "", err
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(wrapped)))
	out = append(out, wrapped...)
	// The session key is used once, so the nonce may be zero.
	return base64.StdEncoding.EncodeToString(gcm.Seal(out, make([]byte, gcm.NonceSize()), plain, nil)), nil
}

func sealedObject(secret object.Object, namespace string, scope Scope, encrypted map[string]any) object.Object {
	mark := map[string]any{}
	switch scope {
	case ClusterWide:
		mark[clusterWideMark] = "true"
	case NamespaceWide:
		mark[namespaceWideMark] = "true"
	case Strict:
	}
	meta := func(annotations map[string]any) map[string]any {
		m := map[string]any{"name": secret.Name()}
		if namespace != "" {
			m["namespace"] = namespace
		}
		if len(annotations) > 0 {
			m["annotations"] = annotations
		}
		return m
	}
	inner := maps.Clone(mark)
	if have, ok := secret.At("metadata", "annotations").(map[string]any); ok {
		maps.Copy(inner, have)
		delete(inner, "kubectl.kubernetes.io/last-applied-configuration") // it holds the values
	}
	of := meta(inner)
	if labels := secret.At("metadata", "labels"); labels != nil {
		of["labels"] = labels
	}
	template := map[string]any{"metadata": of}
	for _, field := range []string{"type", "immutable"} {
		if v := secret.At(field); v != nil {
			template[field] = v
		}
	}
	return object.New(map[string]any{
		"apiVersion": group + "/v1alpha1", "kind": kind, "metadata": meta(mark),
		"spec": map[string]any{"encryptedData": encrypted, "template": template},
	}).WithOrigin(secret.Origin())
}

// Reseal returns the values of a SealedSecret, sealed for another key, by the text that they have now.
func (op *Opener) Reseal(o object.Object, namespace string, key *rsa.PublicKey) (map[string]string, error) {
	u := unsealing{Opener: op, o: o, name: o.Name(), namespace: cmp.Or(o.Namespace(), namespace), scope: ScopeOf(o)}
	values, err := u.values()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, plain := range values {
		if out[o.Text("spec", "encryptedData", name)], err = encrypt(plain, key, u.scope.label(u.namespace, u.name)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
