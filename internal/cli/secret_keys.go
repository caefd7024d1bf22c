package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

func secretKeysCommand(w IO) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and list the keys in the cluster",
		Long: `The private keys are Secrets in the namespace of the Environment, which its ServiceAccount reads. They are made and listed under your
own identity, and never printed: back them up with 'kubectl get secret', as what was encrypted for a lost key is lost.`,
	}
	cmd.AddCommand(keysGenerateCommand(w), keysListCommand(w))
	return cmd
}

// generateOptions are the flags of keys generate.
type generateOptions struct {
	target
	sops, hybrid bool
	name         string
	lasts        time.Duration
}

func keysGenerateCommand(w IO) *cobra.Command {
	o := generateOptions{lasts: 10 * 365 * 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make a key",
		Long: `Makes a key to seal with, and prints its certificate; from then on it is the newest, which seals. With --sops it makes an age key,
adds it to the Secret of --name, and prints its recipient. Keys that are there stay: what was encrypted for them still opens.`,
		Example: `  fairlead secret keys generate -n shop > sealing.pem
  fairlead secret keys generate --sops -n shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.sops {
				return o.generateAge(cmd.Context(), w)
			}
			return o.generateSealing(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.sops, "sops", false, "make an age key for SOPS files, instead of a key to seal with")
	f.BoolVar(&o.hybrid, "post-quantum", false, "with --sops: a hybrid key, that no quantum computer breaks; it needs age 1.3 to encrypt for")
	f.StringVar(&o.name, "name", "", "name of the Secret (default: sops-age, or a name that nothing has yet)")
	f.DurationVar(&o.lasts, "for", o.lasts, "how long the certificate counts; what was sealed opens after that, too")
	return cmd
}

func (o *generateOptions) generateSealing(ctx context.Context, w IO) error {
	c, namespace, err := o.reach(w)
	if err != nil {
		return err
	}
	key, certificate, err := sealed.Generate(time.Now(), o.lasts)
	if err != nil {
		return err
	}
	s := secretWith(namespace, o.name, map[string][]byte{"tls.key": key, "tls.crt": certificate})
	s.Object["type"] = "kubernetes.io/tls"
	s.SetLabels(map[string]string{sealed.Label: sealed.Active})
	if o.name == "" {
		s.SetGenerateName("sealed-secrets-key")
	}
	if err := c.Create(ctx, s, client.FieldOwner(manager)); err != nil {
		return silent("create a Secret in namespace "+namespace, err)
	}
	_, _ = fmt.Fprintf(w.Err, "made the key %s/%s: this is its certificate, to seal with\n", namespace, s.GetName())
	_, err = w.Out.Write(certificate)
	return err
}

// defaultAge is the name of the Secret with age keys, as Flux's documentation calls it.
const defaultAge = "sops-age"

func (o *generateOptions) generateAge(ctx context.Context, w IO) error {
	c, namespace, err := o.reach(w)
	if err != nil {
		return err
	}
	key, recipient, err := sops.Generate(o.hybrid)
	if err != nil {
		return err
	}
	name := cmp.Or(o.name, defaultAge)
	entry := "key-" + time.Now().UTC().Format("20060102-150405") + ".agekey"
	s := secretWith(namespace, name, map[string][]byte{entry: key})
	s.Object["type"] = "Opaque"
	err = c.Create(ctx, s, client.FieldOwner(manager))
	if apierrors.IsAlreadyExists(err) {
		err = merge(ctx, c, s, map[string]any{"data": map[string]any{entry: base64.StdEncoding.EncodeToString(key)}})
	}
	if err != nil {
		return silent("write Secret "+namespace+"/"+name, err)
	}
	_, _ = fmt.Fprintf(w.Err, "made the key %s of Secret %s/%s. The Environment names it: spec.render.decryption.secretRef.name: %s\nthis is its recipient, to encrypt for:\n",
		entry, namespace, name, name)
	_, err = fmt.Fprintln(w.Out, recipient)
	return err
}

// reach connects, and returns the namespace that is meant.
func (t *target) reach(w IO) (client.Client, string, error) {
	c, err := t.connect(w)
	if err != nil {
		return nil, "", err
	}
	namespace, err := t.place(w)
	return c, namespace, err
}

func secretWith(namespace, name string, data map[string][]byte) *unstructured.Unstructured {
	encoded := map[string]any{}
	for k, v := range data {
		encoded[k] = base64.StdEncoding.EncodeToString(v)
	}
	s := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "data": encoded}}
	s.SetNamespace(namespace)
	s.SetName(name)
	return s
}

// silent wraps an error about a Secret: the words of a refusal may quote what was sent.
func silent(doing string, err error) error {
	var status apierrors.APIStatus
	if apierrors.IsInvalid(err) && errors.As(err, &status) {
		return fmt.Errorf("%s: it is refused as invalid", doing)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// listKeysOptions are the flags of keys list.
type listKeysOptions struct {
	target
	certificate bool
}

func keysListCommand(w IO) *cobra.Command {
	var o listKeysOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys in the cluster, or print the certificate of the newest",
		Long: `Lists the keys of a namespace: those that SealedSecrets open with, the newest first, and the recipients of the age and OpenPGP keys
in the Secrets that Environments name. With --certificate it prints the certificate of the key that seals, which is not
secret: with it, anybody can seal without the cluster.`,
		Example: `  fairlead secret keys list -n shop
  fairlead secret keys list -n shop --certificate > sealing.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.certificate {
				return o.printCertificate(cmd.Context(), w)
			}
			return o.list(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	cmd.Flags().BoolVar(&o.certificate, "certificate", false, "print the certificate of the newest key")
	return cmd
}

func (o *listKeysOptions) printCertificate(ctx context.Context, w IO) error {
	keys, err := o.sealingKeys(ctx, w, "")
	if err != nil {
		return err
	}
	if keys[0].Certificate == nil {
		return fmt.Errorf("the key %s has no certificate: make another one with 'fairlead secret keys generate'", keys[0].Name)
	}
	return pem.Encode(w.Out, &pem.Block{Type: "CERTIFICATE", Bytes: keys[0].Certificate.Raw})
}

func (o *listKeysOptions) list(ctx context.Context, w IO) error {
	c, namespace, err := o.reach(w)
	if err != nil {
		return err
	}
	t := table{header: []string{"KEY", "FOR", "SINCE", "EXPIRES", "RECIPIENT"}}
	keys, err := keysIn(ctx, c, namespace)
	if err != nil {
		return err
	}
	for i, k := range keys {
		since, expires, use := k.Created, "", "unseals"
		if k.Certificate != nil {
			since, expires = k.Certificate.NotBefore, k.Certificate.NotAfter.Format(time.DateOnly)
		}
		if i == 0 {
			use = "seals, unseals"
		}
		t.add(plain(k.Name), plain(use), plain(since.Format(time.DateOnly)), plain(expires), plain(""))
	}
	if err := sopsRows(ctx, c, namespace, &t); err != nil {
		return err
	}
	if len(t.rows) == 0 {
		_, err := fmt.Fprintf(w.Err, "namespace %s has no keys: 'fairlead secret keys generate' makes one to seal with, with --sops one for SOPS files\n", namespace)
		return err
	}
	return t.print(w.Out, style{width(w.Out), w.colours(w.Out)})
}

// sopsRows lists the keys of the Secrets that Environments name, and of the one that keys are put into by default.
func sopsRows(ctx context.Context, c client.Client, namespace string, t *table) error {
	names := map[string]bool{defaultAge: true}
	var envs v1alpha1.EnvironmentList
	if err := c.List(ctx, &envs, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list the Environments of namespace %s: %w", namespace, err)
	}
	for _, e := range envs.Items {
		if r := e.Spec.Render; r != nil && r.Decryption != nil && r.Decryption.SecretRef != nil {
			names[r.Decryption.SecretRef.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := secretWith(namespace, name, nil)
		if err := c.Get(ctx, client.ObjectKeyFromObject(s), s); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
		}
		o := object.New(s.Object)
		data, _ := o.At("data").(map[string]any)
		for _, entry := range slices.Sorted(maps.Keys(data)) {
			var keys sops.Keys
			add := map[string]func(string, []byte) error{".agekey": keys.AddAge, ".asc": keys.AddPGP}[path.Ext(entry)]
			if add == nil {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(o.Text("data", entry))
			if err == nil {
				err = add(name+" "+entry, raw)
			}
			if err != nil {
				return err
			}
			for _, recipient := range keys.Names() {
				t.add(plain(name+"/"+entry), plain("decrypts"), plain(o.Created().Format(time.DateOnly)), plain(""), plain(recipient))
			}
		}
	}
	return nil
}

// sealingKeys reads the keys of a namespace as who runs the command, the newest first. There is one at least.
func (t *target) sealingKeys(ctx context.Context, w IO, namespace string) ([]sealed.Key, error) {
	c, here, err := t.reach(w)
	if err != nil {
		return nil, err
	}
	namespace = cmp.Or(namespace, here)
	keys, err := keysIn(ctx, c, namespace)
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("namespace %s has no key to seal with: 'fairlead secret keys generate -n %s' makes one, and --key-namespace names another namespace", namespace, namespace)
	}
	return keys, err
}

func keysIn(ctx context.Context, c client.Client, namespace string) ([]sealed.Key, error) {
	var secrets []object.Object
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("v1")
	list.SetKind("SecretList")
	if err := c.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{sealed.Label: sealed.Active}); err != nil {
		return nil, fmt.Errorf("list the keys of namespace %s: %w", namespace, err)
	}
	for _, u := range list.Items {
		secrets = append(secrets, object.New(u.Object))
	}
	one := secretWith(namespace, sealed.Unlabelled, nil)
	if err := c.Get(ctx, client.ObjectKeyFromObject(one), one); err == nil && one.GetLabels()[sealed.Label] == "" {
		secrets = append(secrets, object.New(one.Object))
	}
	return sealed.KeysOf(secrets)
}
