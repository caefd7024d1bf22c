package render

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

// Decryption says how what is encrypted in the tree is opened. The zero Decryption opens SealedSecrets with the keys in the environment's home, and nothing else.
type Decryption struct {
	// Secret names the Secret in the environment's home with the keys of SOPS files; empty: there is none.
	Secret string
	// KeepSealed leaves SealedSecrets as they are, for their own controller.
	KeepSealed bool
	// SealedKeys is the namespace with the keys of SealedSecrets; empty: the environment's home.
	SealedKeys string
	// Keys are further keys of SOPS files, for those who have them at hand.
	Keys sops.Keys
	// Look has placeholders stand for the values that do not open: for those who look at objects and apply none.
	Look bool
}

var secretGVK = object.GVK{Version: "v1", Kind: "Secret"}

// secrets opens what is encrypted in one render.
type secrets struct {
	how   Decryption
	at    Place
	ask   func(Question) (Answer, error)
	alone bool // there is nobody to ask

	disguised bool // placeholders stand for the values of encrypted files

	keys    *sops.Keys // once they were asked for
	files   map[string]*encryptedFile
	sniffed bool // some file has what looks like a value of SOPS
	closed  []object.Origin
	sealed  []object.Object // the SealedSecrets
	// fromSealed are the Secrets that were made of SealedSecrets.
	fromSealed []object.Object
}

// encryptedFile is a file of SOPS that was read.
type encryptedFile struct {
	kinds []sops.Kind
	// exact is what was encrypted, byte by byte. What is read as YAML has the lines of the encrypted file instead.
	exact []byte
	// texts are what was encrypted.
	texts []sops.Text
	// masked has placeholders for the values.
	masked func() ([]byte, error)
}

func newSecrets(req Request, a *asker) *secrets {
	return &secrets{how: req.Decryption, at: req.Place, ask: a.ask, alone: a.outside == nil, files: map[string]*encryptedFile{}}
}

// open returns the content of a file as it is to be read: decrypted if it is one of SOPS.
func (s *secrets) open(name string, data []byte) ([]byte, error) {
	s.sniffed = s.sniffed || sops.HasValues(data)
	if !sops.Sniff(data) {
		return data, nil
	}
	if rootOf(name) != "" { // nothing in a base from elsewhere is for a key of this environment
		return data, nil
	}
	f, err := sops.Read(name, data)
	if errors.Is(err, sops.ErrPlain) {
		return data, nil
	}
	if err != nil {
		return nil, err
	}
	encrypted := data
	was := &encryptedFile{kinds: f.Kinds(), masked: func() ([]byte, error) {
		again, err := sops.Read(name, encrypted) // what was opened is changed by that
		if err != nil {
			return nil, err
		}
		return again.Placeholders(placeholder)
	}}
	if s.disguised {
		s.files[name] = was
		was.exact, err = f.Placeholders(placeholder)
		return was.exact, err
	}
	keys, err := s.sopsKeys(name)
	if err == nil {
		var opened sops.Opened
		if opened, err = f.Open(keys); err == nil {
			was.exact, was.texts = opened.Exact, opened.Texts
			s.files[name] = was
			return opened.Lines, nil
		}
		if !errors.Is(err, sops.ErrNoKey) { // it is refused whoever looks: nothing may stand for what is damaged
			return nil, err
		}
	}
	if !s.how.Look {
		return nil, err
	}
	if err := f.Intact(); err != nil {
		return nil, err
	}
	s.closed = append(s.closed, object.Origin{File: name, Line: 1})
	out, err := f.Placeholders(placeholder)
	was.exact = out
	s.files[name] = was
	return out, err
}

// Placeholder stands for a value that was not decrypted.
const Placeholder = "(encrypted)"

// placeholder is what a field can have: data of a Secret is base64.
func placeholder(p []string) any {
	if len(p) > 1 && p[len(p)-2] == "data" {
		return base64.StdEncoding.EncodeToString([]byte(Placeholder))
	}
	return Placeholder
}

// sopsKeys asks for the keys when the first file needs them.
func (s *secrets) sopsKeys(name string) (sops.Keys, error) {
	if s.keys != nil {
		return *s.keys, nil
	}
	keys := s.how.Keys
	switch {
	case s.how.Secret != "" && !s.alone:
		where := "Secret " + s.at.Home + "/" + s.how.Secret
		answer, err := s.ask(Question{About: AboutObject, GVK: secretGVK, Namespace: s.at.Home, Name: s.how.Secret})
		if err != nil {
			return keys, fmt.Errorf("%s: encrypted by SOPS, and the keys in %s cannot be read: %w", name, where, err)
		}
		if len(answer.Objects) == 0 {
			return keys, fault.Newf(fault.Invalid, "%s: encrypted by SOPS, and there is no %s, which spec.render.decryption names: make it with "+
				"`fairlead secret keys generate --sops --name %s -n %s`, or correct the name", name, where, s.how.Secret, s.at.Home)
		}
		if err := addKeys(&keys, where, answer.Objects[0]); err != nil {
			return keys, err
		}
	case keys.None() && s.alone:
		return keys, fault.Newf(fault.Invalid, "%s: encrypted by SOPS, and no private key is here", name)
	case keys.None():
		return keys, fault.Newf(fault.Invalid, "%s: encrypted by SOPS, and the Environment names no keys: put the private keys into a Secret beside it, "+
			"under names that end in .agekey or .asc, and name it in spec.render.decryption.secretRef", name)
	}
	s.keys = &keys
	return keys, nil
}

// addKeys reads the keys of a Secret as Flux lays it out.
func addKeys(keys *sops.Keys, where string, o object.Object) error {
	data, _ := o.At("data").(map[string]any)
	var names []string
	for name := range data {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add := keys.AddAge
		switch path.Ext(name) {
		case ".agekey":
		case ".asc":
			add = keys.AddPGP
		default:
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(o.Text("data", name))
		if err != nil {
			return fault.Newf(fault.Invalid, "%s: %s is no base64", where, name)
		}
		if err := add(where+" "+name, raw); err != nil {
			return err
		}
	}
	if keys.None() {
		return fault.Newf(fault.Invalid, "%s has no keys: their names end in .agekey (age) or .asc (OpenPGP)", where)
	}
	return nil
}

// ofSecrets refuses a file with encrypted values that are not those of a Secret: they would be shown in plans and diffs.
func (s *secrets) ofSecrets(name string) error {
	f := s.files[name]
	if f == nil {
		return nil
	}
	for _, k := range f.kinds {
		if sops.IsCiphertext(k.Kind) || sops.IsCiphertext(k.APIVersion) {
			return place{name, k.Line}.errorf("what kind of object it is is encrypted, too: encrypt the values of a Secret alone, as `fairlead secret encrypt` does with one")
		}
		if k.Kind != "Secret" && k.Kind != "SecretList" || k.APIVersion != "v1" {
			return place{name, k.Line}.errorf("encrypted values of %s: only those of a Secret are kept out of plans, diffs and events. "+
				"Move them into a Secret that it refers to", an(cmp.Or(k.Kind, "object of no kind")))
		}
	}
	return nil
}

// generates says what a generator may not read.
func (s *secrets) generates(kind string, at place, name string) error {
	if s.files[name] != nil && kind != "Secret" {
		return at.errorf("%s is encrypted, and a %s shows what it holds: generate a Secret of it, with secretGenerator", name, kind)
	}
	return nil
}

// unseal makes Secrets of the SealedSecrets among objects, and refuses what is still encrypted by SOPS.
func (s *secrets) unseal(objs []object.Object) ([]object.Object, error) {
	var op *sealed.Opener
	cloned := false
	for i, o := range objs {
		if s.sniffed {
			if err := ciphertext(o); err != nil {
				return nil, err
			}
		}
		if !sealed.Is(o) || s.how.KeepSealed {
			continue
		}
		if op == nil && !s.look() {
			var err error
			if op, err = s.opener(o); err != nil {
				return nil, err
			}
		}
		if !cloned {
			objs, cloned = slices.Clone(objs), true
		}
		made, err := s.unsealed(op, o)
		if err != nil {
			return nil, err
		}
		objs[i] = made
	}
	return objs, nil
}

// look reports whether there is nobody to ask for keys, and who asks only looks.
func (s *secrets) look() bool { return s.how.Look && s.alone }

func (s *secrets) unsealed(op *sealed.Opener, o object.Object) (object.Object, error) {
	if !s.look() {
		made, err := op.Unseal(o, s.at.Namespace)
		if err == nil {
			s.fromSealed = append(s.fromSealed, made)
		}
		return made, err
	}
	s.closed, s.sealed = append(s.closed, o.Origin()), append(s.sealed, o)
	return sealed.Outline(o, Placeholder)
}

// LookAt reads the objects of one file as a render with Decryption.Look does.
func LookAt(name string, data []byte) (Result, error) {
	s := newSecrets(Request{Decryption: Decryption{Look: true}}, &asker{})
	data, err := s.open(name, data)
	if err != nil {
		return Result{}, err
	}
	objs, err := object.Parse(name, data)
	if err == nil {
		err = s.ofSecrets(name)
	}
	if err == nil {
		objs, err = s.unseal(objs)
	}
	return Result{Objects: objs, Closed: s.closed, Sealed: s.sealed}, err
}

// opener asks for the keys when the first SealedSecret needs them.
func (s *secrets) opener(o object.Object) (*sealed.Opener, error) {
	from := cmp.Or(s.how.SealedKeys, s.at.Home)
	const otherwise = "or set spec.render.decryption.sealedSecrets.mode to Keep, if the controller of Sealed Secrets unseals them in the cluster"
	if s.alone {
		return nil, fault.Newf(fault.Invalid, "%s: %s is sealed, and no key is here", o.Origin(), o)
	}
	secrets, err := s.sealing(from)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is sealed, and the keys in namespace %s cannot be read: %w", o.Origin(), o, from, err)
	}
	keys, err := sealed.KeysOf(secrets)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fault.Newf(fault.Invalid, "%s: %s is sealed, and namespace %s has no key with the label %s=%s: make one with `fairlead secret keys generate -n %s`, "+
			"copy those that it was sealed with, %s", o.Origin(), o, from, sealed.Label, sealed.Active, from, otherwise)
	}
	return &sealed.Opener{Keys: keys, Where: "in namespace " + from}, nil
}

// sealing are the Secrets of a namespace that may have keys.
func (s *secrets) sealing(namespace string) ([]object.Object, error) {
	answer, err := s.ask(Question{About: AboutObjects, GVK: secretGVK, Namespace: namespace, Label: sealed.Label})
	if err != nil {
		return nil, err
	}
	first, err := s.ask(Question{About: AboutObject, GVK: secretGVK, Namespace: namespace, Name: sealed.Unlabelled})
	if err != nil {
		return nil, err
	}
	out := slices.Clone(answer.Objects)
	for _, o := range first.Objects {
		if o.Label(sealed.Label) == "" {
			out = append(out, o)
		}
	}
	return out, nil
}

// ciphertext refuses an object that would be applied encrypted.
func ciphertext(o object.Object) error {
	at := place{o.Origin().File, o.Origin().Line}
	if o.Text("sops", "mac") != "" {
		return at.errorf("%s is encrypted by SOPS, and was not decrypted: only whole files that SOPS wrote are", o)
	}
	if where := encryptedAt(o.Content(), nil, 0); where != "" {
		return at.errorf("%s of %s is encrypted by SOPS, and its file has not the metadata to decrypt it: put back the sops section, or encrypt the whole file again", where, o)
	}
	return nil
}

func encryptedAt(v any, p []string, depth int) string {
	if depth > 300 {
		return ""
	}
	switch v := v.(type) {
	case string:
		if sops.IsCiphertext(v) {
			return strings.Join(p, ".")
		}
	case []any:
		for _, item := range v {
			if where := encryptedAt(item, p, depth+1); where != "" {
				return where
			}
		}
	case map[string]any:
		for key, item := range v {
			if where := encryptedAt(item, append(p[:len(p):len(p)], key), depth+1); where != "" {
				return where
			}
		}
	}
	return ""
}
