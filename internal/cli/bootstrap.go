package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/install"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/starter"
)

// bootstrapOptions are the flags of bootstrap.
type bootstrapOptions struct {
	target
	credentials
	starter.Cluster
	install install.Options
	export  bool
	timeout time.Duration
}

func bootstrapCommand(w IO) *cobra.Command {
	var o bootstrapOptions
	cmd := &cobra.Command{
		Use:   "bootstrap URL",
		Short: "Have Fairlead manage a cluster, and itself, from a Git repository",
		Long: `Brings Fairlead into a cluster so that from then on Git says all of it, Fairlead included:

1. It looks whether the cluster and the repository can be reached, with the rights that it takes.
2. It commits the manifests of Fairlead and an Environment of this cluster to --cluster-path and pushes that.
3. It applies the same to the cluster, and a Secret with the credentials, which is never in Git.
4. It waits until Fairlead reports that it manages itself at that commit.

After that, each directory in --cluster-path is an app: what 'fairlead init' writes there becomes an environment with the push.
Who may write to that branch governs the cluster.

It may be run again at any time: after an error or an interruption it goes on, with another version or --image it upgrades, and
if all is as it should be it changes nothing. A file of yours in the directory, and cluster.yaml once it is there, are left as
they are. No commit deletes Fairlead's definitions or its namespace; other parts of Fairlead are held.

Credentials that you give are used to push and then given to the cluster, which only reads; with --secret it reads with those of
a Secret that you made instead. Passwords and tokens come from $FAIRLEAD_GIT_PASSWORD and $FAIRLEAD_GIT_TOKEN (a bearer token).
Without any, the push is your own git's, and the cluster reads without credentials.`,
		Example: `  fairlead bootstrap https://git.example.com/shop/config.git --username ann
  fairlead bootstrap git@git.example.com:shop/config.git --identity deploy-key --known-hosts known_hosts
  fairlead bootstrap https://git.example.com/shop/config.git --cluster-path clusters/eu-1 --export`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which repository: bootstrap takes exactly one address")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URL = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	o.flags(f)
	f.StringVarP(&o.Namespace, "namespace", "n", "fairlead-system", "Fairlead's own namespace")
	f.StringVar(&o.Branch, "branch", "main", "branch to follow")
	f.StringVar(&o.ClusterPath, "cluster-path", defaultClusterPath, "directory of the repository that holds what is in one cluster")
	f.StringVar(&o.Secret, "secret", "", "Secret of Fairlead's namespace that the cluster reads Git with (default: fairlead-git, made of what is given here)")
	f.StringVar(&o.install.Image, "image", defaultImage(), "image that the Deployment runs")
	f.IntVar(&o.install.Replicas, "replicas", 1, "how many replicas of the controller share the apps")
	f.BoolVar(&o.export, "export", false, "print the files instead; neither a cluster nor the repository is needed")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait; 0 waits for ever")
	return cmd
}

// madeSecret is the Secret that bootstrap makes.
const madeSecret = "fairlead-git"

// bootstrapping is one run.
type bootstrapping struct {
	*bootstrapOptions
	w      IO
	auth   git.Auth
	secret *unstructured.Unstructured // nil: none is made
	rest   *rest.Config
	client dynamic.Interface
	commit source.Commit
}

func (o *bootstrapOptions) run(ctx context.Context, w IO) error {
	b := &bootstrapping{bootstrapOptions: o, w: w}
	if err := b.prepare(); err != nil {
		return err
	}
	if o.export {
		return b.print()
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, errTimeout)
		defer cancel()
	}
	if err := b.checkCluster(ctx); err != nil {
		return err
	}
	objs, err := b.publish(ctx)
	if err != nil {
		return err
	}
	if err := b.apply(ctx, objs); err != nil {
		return fmt.Errorf("%w; run it again to go on", err)
	}
	return b.await(ctx)
}

// prepare makes the files, and finds out what is wrong with the command line.
func (b *bootstrapping) prepare() error {
	if err := git.CheckURL(b.URL); err != nil {
		return usageError{err}
	}
	var err error
	if b.auth, err = b.read(b.w, b.URL); err != nil {
		return err
	}
	if data := secretData(b.auth); b.Secret == "" && len(data) > 0 {
		b.Secret = madeSecret
		b.secret = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "stringData": data,
			"metadata": map[string]any{"name": madeSecret, "namespace": b.Namespace, "labels": map[string]any{"app.kubernetes.io/name": "fairlead"}},
		}}
	}
	b.install.Namespace = b.Namespace
	objs, err := install.Objects(b.install)
	if err == nil {
		var data []byte
		data, err = install.Export(install.Managed(objs))
		b.Manifests = string(data)
	}
	if err == nil {
		_, _, err = b.Files()
	}
	if err != nil && fault.KindOf(err) == fault.Invalid {
		return usageError{err}
	}
	return err
}

// print prints the files, each after a line that names it.
func (b *bootstrapping) print() error {
	manifests, cluster, err := b.Files()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(b.w.Out, "# %s\n%s---\n# %s\n%s", manifests.Path, manifests.Text, cluster.Path, cluster.Text)
	return err
}

// checkCluster says what stands in the way before anything is done: a cluster that cannot be reached, rights that are missing, another Fairlead.
func (b *bootstrapping) checkCluster(ctx context.Context) error {
	var err error
	if b.rest, err = b.config(b.w); err != nil {
		return err
	}
	if b.client, err = dynamic.NewForConfig(b.rest); err != nil {
		return err
	}
	reviews, err := authorization.NewForConfig(b.rest)
	if err != nil {
		return err
	}
	objs, err := install.Objects(b.install)
	if err != nil {
		return err
	}
	missing, err := install.Forbidden(ctx, reviews.SelfSubjectAccessReviews(), objs)
	if err != nil {
		return err
	}
	if missing != "" {
		return fmt.Errorf("you may not %s in this cluster: bootstrap takes an administrator of it; nothing was done", missing)
	}
	if err := install.Here(ctx, b.client, b.Namespace); err != nil {
		return err
	}
	return b.checkFollowed(ctx)
}

// temporary is a directory for the repository, removed by end.
func temporary() (dir string, end func(), err error) {
	dir, err = os.MkdirTemp("", "fairlead-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
