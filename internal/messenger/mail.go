package messenger

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

// email sends a mail. The password is given over STARTTLS alone, and so is the mail.
func (m *Messenger) email(ctx context.Context, n *v1alpha1.Notifier, msg notify.Message) error {
	e := n.Spec.Email
	c, err := m.credentials(ctx, n, e.SecretRef, "username")
	if err != nil {
		return err
	}
	password := ""
	if e.SecretRef != nil {
		data, err := m.Secret(ctx, n.Namespace, e.SecretRef.Name)
		if err != nil {
			return err
		}
		password = string(data["password"])
	}
	host, _, err := net.SplitHostPort(e.SMTP)
	if err != nil {
		return fault.New(fault.Invalid, errors.New("spec.email.smtp is no host with a port"))
	}
	conn, err := m.dialer().DialContext(ctx, "tcp", e.SMTP)
	if err != nil {
		return fault.Newf(fault.Transient, "%s cannot be reached: %w", e.SMTP, reason(ctx, err))
	}
	defer func() { _ = conn.Close() }()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(timeout)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return fault.New(fault.Transient, err)
	}
	s := &session{host: host, from: e.From, to: e.To, username: c.bearer, password: password, config: &tls.Config{ServerName: host, RootCAs: c.roots, MinVersion: tls.VersionTLS12}}
	if err := s.send(conn, notify.Mail(n, msg, m.Now())); err != nil {
		return smtpError(e.SMTP, err, c, password)
	}
	return nil
}

// session is one talk with a server.
type session struct {
	host, from         string
	to                 []string
	username, password string
	config             *tls.Config
}

var errPlain = errors.New("it does not offer STARTTLS, without which nothing is sent")

func (s *session) send(conn net.Conn, mail []byte) error {
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return errPlain
	}
	if err := c.StartTLS(s.config); err != nil {
		return err
	}
	if s.username != "" {
		if err := c.Auth(smtp.PlainAuth("", s.username, s.password, s.host)); err != nil {
			return err
		}
	}
	if err := c.Mail(s.from); err != nil {
		return err
	}
	for _, to := range s.to {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(mail); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // the server has taken it, or not
		return err
	}
	_ = c.Quit() // it has it all the same
	return nil
}

// smtpError says what a server did not take, without anything secret. Codes from 500 on need somebody to change something.
func smtpError(at string, err error, c credentials, password string) error {
	kind, text := fault.Transient, err.Error()
	if said := (*textproto.Error)(nil); errors.As(err, &said) {
		text = fmt.Sprintf("%d %s", said.Code, said.Msg)
		if said.Code >= 500 {
			kind = fault.Denied
		}
	}
	if errors.Is(err, errPlain) {
		kind = fault.Denied
	}
	c.hmacKey = password
	return fault.New(kind, fmt.Errorf("%s: %s", at, c.hide(text)))
}
