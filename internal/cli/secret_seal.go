package cli

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sealed"
)

// sealOptions are the flags of seal.
type sealOptions struct {
	target
	certificate, scope, keyNamespace string
	form                             output
}

func secretSealCommand(w IO) *cobra.Command {
	o := sealOptions{scope: string(sealed.Strict)}
	cmd := &cobra.Command{
		Use:   "seal FILE",
		Short: "Make SealedSecrets of Secrets",
		Long: `Makes a SealedSecret of each Secret of a manifest, and prints them. FILE may be -, for what is piped in. They open in the
cluster alone, and by their scope only under their name in their namespace (strict), in their namespace (namespace-wide), or
anywhere (cluster-wide).

The certificate is that of the newest key in the cluster, which your own identity has to be able to read, or the file that
--cert names, which anybody may have: 'fairlead secret keys list --certificate' and 'kubeseal --fetch-cert' print it.`,
		Example: `  fairlead secret seal database.yaml -n shop
  fairlead secret seal database.yaml -n shop --cert sealing.pem > apps/web/production/database.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which file: seal takes exactly one, or - for what is piped in")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), w, args[0]) },
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	cmd.Flags().Lookup("namespace").Usage = "namespace of Secrets that name none (default: the one of the context)"
	o.form.flag(cmd, "yaml", "json")
	f := cmd.Flags()
	f.StringVar(&o.certificate, "cert", "", "file with the certificate to seal with; then no cluster is needed")
	f.StringVar(&o.scope, "scope", o.scope, "strict, namespace-wide or cluster-wide")
	f.StringVar(&o.keyNamespace, "key-namespace", "", "namespace with the keys (default: that of -n)")
	return cmd
}

func (o *sealOptions) run(ctx context.Context, w IO, name string) error {
	scope := sealed.Scope(o.scope)
	switch scope {
	case sealed.Strict, sealed.NamespaceWide, sealed.ClusterWide:
	default:
		return usagef("--scope %q: want one of strict, namespace-wide, cluster-wide", o.scope)
	}
	data, err := readInput(w, name)
	if err != nil {
		return err
	}
	objs, err := object.Parse(name, data)
	if err != nil {
		return err
	}
	if len(objs) == 0 {
		return fmt.Errorf("%s: there is no Secret in it", name)
	}
	key, err := o.key(ctx, w)
	if err != nil {
		return err
	}
	namespace := o.namespace
	if namespace == "" && o.certificate == "" {
		if namespace, err = o.place(w); err != nil {
			return err
		}
	}
	out := make([]object.Object, len(objs))
	for i, x := range objs {
		if out[i], err = sealed.Seal(x, namespace, key, scope); err != nil {
			return err
		}
	}
	if o.form == "json" {
		for _, x := range out {
			if err := o.form.print(w.Out, x.Content()); err != nil {
				return err
			}
		}
		return nil
	}
	_, err = w.Out.Write(object.Stream(out))
	return err
}

// key is the public key to seal with.
func (o *sealOptions) key(ctx context.Context, w IO) (*rsa.PublicKey, error) {
	if o.certificate != "" {
		data, err := readBounded(o.certificate, maxKeyFile)
		if err != nil {
			return nil, err
		}
		return sealed.ParseCertificate(o.certificate, data, time.Now())
	}
	keys, err := o.sealingKeys(ctx, w, o.keyNamespace)
	if err != nil {
		return nil, err
	}
	return &keys[0].Private.PublicKey, nil
}

// reseal seals the SealedSecrets of a manifest again, with the newest key. Everything else of the file stays as it is.
func (o *rotateOptions) reseal(ctx context.Context, w IO, name string, data []byte) error {
	objs, err := object.Parse(name, data)
	if err != nil {
		return err
	}
	n := 0
	var keys []sealed.Key
	namespace := ""
	for _, x := range objs {
		if !sealed.Is(x) {
			continue
		}
		if keys == nil {
			if keys, err = o.sealingKeys(ctx, w, o.keyNamespace); err != nil {
				return err
			}
			if namespace, err = o.place(w); err != nil {
				return err
			}
		}
		op := sealed.Opener{Keys: keys}
		values, err := op.Reseal(x, namespace, &keys[0].Private.PublicKey)
		if err != nil {
			return err
		}
		for old, fresh := range values {
			if !bytes.Contains(data, []byte(old)) {
				return fmt.Errorf("%s: a value of %s is not on one line: write it on one, and try again", name, x)
			}
			data = bytes.ReplaceAll(data, []byte(old), []byte(fresh))
		}
		n++
	}
	if n == 0 {
		return fmt.Errorf("%s: neither encrypted by SOPS, nor a manifest with SealedSecrets", name)
	}
	if err := replaceFile(name, data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.Out, "%s is sealed with %s\n", name, keys[0].Name)
	return err
}
