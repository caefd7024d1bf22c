package cli

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

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

// explain says what to do about errors that every command meets.
func explain(err error) error {
	var dial *net.OpError
	var u *url.Error
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: the API server does not accept the credentials of the kubeconfig: log in again, or choose another --context", err)
	case absent.Kind(err): // nobody installed ours
		return errNotInstalled
	case errors.As(err, &dial) && errors.As(err, &u):
		host := u.URL
		if parsed, parseErr := url.Parse(u.URL); parseErr == nil {
			host = parsed.Scheme + "://" + parsed.Host
		}
		return fmt.Errorf("the API server at %s cannot be reached (%w): is it running, and is it the one you mean? --kubeconfig, KUBECONFIG and --context choose", host, dial.Err)
	}
	return err
}
