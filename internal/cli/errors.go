package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// usageError is a command line that makes no sense: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// outcome is an exit code other than 1 for an error.
type outcome struct {
	code int
	err  error
	// said means that everything there is to say has been printed.
	said bool
}

func (o outcome) Error() string { return o.err.Error() }
func (o outcome) Unwrap() error { return o.err }

// flagError names the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near, ok := nearest.Of(unknown.GetSpecifiedName(), names); ok {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	return err
}

var errNotInstalled = errors.New("the resources of Fairlead are not installed in this cluster: run 'fairlead install'")

// choose says how another cluster is chosen.
const choose = "--kubeconfig, KUBECONFIG and --context choose"

// explain says what to do about errors that every command meets.
func explain(err error) error {
	var dial *net.OpError
	var wrong *tls.CertificateVerificationError
	var u *url.Error
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: the API server does not accept the credentials of the kubeconfig: log in again, or choose another --context", err)
	case anonymous(err):
		return fmt.Errorf("the API server lets you ask for nothing: are there credentials for it in the kubeconfig? Log in, or choose another --context (%w)", err)
	case absent.Kind(err), meta.IsNoMatchError(err) && strings.Contains(err.Error(), "fairlead.dev"): // nobody installed ours
		return errNotInstalled
	case errors.As(err, &wrong) && errors.As(err, &u):
		return fmt.Errorf("the certificate of the API server at %s is not one that the kubeconfig trusts (%w): is it the cluster that you mean, and the certificate-authority-data of today? %s", hostOf(u), wrong.Err, choose)
	case errors.As(err, &dial) && errors.As(err, &u):
		return fmt.Errorf("the API server at %s cannot be reached (%w): is it running, and is it the one you mean? %s", hostOf(u), dial.Err, choose)
	}
	return err
}

// anonymous reports whether not even the kinds of the cluster could be asked for: whoever is known may do that.
func anonymous(err error) bool {
	return apierrors.IsForbidden(err) && (strings.Contains(err.Error(), "server groups") || strings.Contains(err.Error(), `"system:anonymous"`))
}

func hostOf(u *url.Error) string {
	if parsed, err := url.Parse(u.URL); err == nil {
		return parsed.Scheme + "://" + parsed.Host
	}
	return u.URL
}
