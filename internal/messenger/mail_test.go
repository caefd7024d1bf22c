package messenger_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// postOffice is an SMTP server (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).
type postOffice struct {
	t      *testing.T
	config *tls.Config
	plain  bool // it offers no STARTTLS
	// drops breaks the connection off when a mail was taken, before that is said.
	drops bool
	// refuses answers a recipient instead.
	refuses string

	mu    sync.Mutex
	mails []string
}

func (o *postOffice) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go o.talk(conn)
	}
}

func (o *postOffice) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in, secure, known := textproto.NewReader(bufio.NewReader(conn)), false, false
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	var from string
	var to []string
	say("220 post.test ESMTP")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		o.mu.Lock()
		refuses, drops, plain := o.refuses, o.drops, o.plain
		o.mu.Unlock()
		switch verb = strings.ToUpper(verb); {
		case verb == "EHLO" && secure:
			say("250-post.test")
			say("250 AUTH PLAIN")
		case verb == "EHLO" && plain:
			say("250 post.test")
		case verb == "EHLO":
			say("250-post.test")
			say("250 STARTTLS")
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, o.config)
			in, secure = textproto.NewReader(bufio.NewReader(conn)), true
		case verb == "AUTH":
			want := "PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00robot\x00a password"))
			if known = rest == want; known {
				say("235 welcome")
			} else {
				say("535 unknown")
			}
		case verb == "MAIL" && known:
			from = rest
			say("250 ok")
		case verb == "RCPT" && refuses != "":
			say(refuses)
		case verb == "RCPT" && from != "":
			to = append(to, rest)
			say("250 ok")
		case verb == "DATA" && len(to) > 0:
			say("354 go on")
			data, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.mails = append(o.mails, from+" "+strings.Join(to, " ")+"\n"+string(data))
			o.mu.Unlock()
			if drops {
				return
			}
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("503 not now")
		}
	}
}

func (o *postOffice) does(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// mails: a mail goes over STARTTLS to all, once; one that may have come comes again with the same Message-ID.
func mails(t *testing.T, l *land) {
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	defer certs.Close()
	o := &postOffice{t: t, config: &tls.Config{Certificates: certs.TLS.Certificates, MinVersion: tls.VersionTLS12}, drops: true}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go o.serve(listener)
	l.secrets["username"], l.secrets["password"] = []byte("robot"), []byte("a password")
	l.secrets["ca.crt"] = pemOf(certs.Certificate())
	defer delete(l.secrets, "ca.crt")
	name := l.place(t, "mail", v1alpha1.NotifierSpec{
		Email: &v1alpha1.Email{
			SMTP: listener.Addr().String(), From: "fairlead@example.com", To: []string{"ann@example.com", "bob@example.com"}, SecretRef: &v1alpha1.LocalReference{Name: "mail"},
		},
		Events: []v1alpha1.Outcome{v1alpha1.OutcomeFailed},
	})
	l.stands(t, name.Namespace, "web", l.release(1, bad, "Failed", "zu spät: a.very.long.line "+strings.Repeat("x", 100)))
	look := func(want string) {
		t.Helper()
		again, err := l.messenger(nil).Look(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		st := l.status(t, name)
		if said := fmt.Sprintf("%+v", st); !strings.Contains(st.Conditions[0].Message, want) || strings.Contains(said, "a password") {
			t.Errorf("the status is %s, want %q in it", said, want)
		}
		l.now = l.now.Add(again)
	}
	look("EOF")
	o.does(func() { o.drops, o.refuses = false, "450 later" })
	look("450 later")
	o.does(func() { o.refuses = "" })
	look("what happened was told")
	var came []string
	o.does(func() { came = o.mails })
	if len(came) != 2 {
		t.Fatalf("there are %d mails", len(came))
	}
	var ids []string
	for _, text := range came {
		envelope, text, _ := strings.Cut(text, "\n")
		if envelope != "FROM:<fairlead@example.com> TO:<ann@example.com> TO:<bob@example.com>" {
			t.Errorf("the envelope is %s", envelope)
		}
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || !strings.Contains(string(body), "zu spät") || !strings.HasPrefix(subject, "production/web failed: commit bbbbbbbb: zu spät") {
			t.Errorf("%q says %q, %v", subject, body, err)
		}
		if at, err := m.Header.Date(); err != nil || time.Since(at) > 48*time.Hour {
			t.Errorf("it is of %s, %v", at, err)
		}
		ids = append(ids, m.Header.Get("Message-ID"))
	}
	if ids[0] != ids[1] || !slices.ContainsFunc(ids, func(s string) bool { return strings.HasSuffix(s, "@example.com>") }) {
		t.Errorf("the ids are %q", ids)
	}

	l.now = l.now.Add(time.Minute)
	l.stands(t, name.Namespace, "api", l.release(1, bad, "Failed", ""))
	l.secrets["password"] = []byte("another")
	look("535 unknown")
	o.does(func() { o.plain = true })
	look("does not offer STARTTLS")
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
