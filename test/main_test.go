package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain gives scripts the two programs that a page uses and a machine that builds Fairlead need not have, as far as the page uses them.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"openssl": openssl, "curl": curl})
}

// openssl is `openssl dgst -sha256 -hmac KEY`.
func openssl() {
	if len(os.Args) != 5 || strings.Join(os.Args[1:4], " ") != "dgst -sha256 -hmac" {
		fail("openssl %q is not known to this test", os.Args[1:])
	}
	mac := hmac.New(sha256.New, []byte(os.Args[4]))
	if _, err := io.Copy(mac, os.Stdin); err != nil {
		fail("openssl: %v", err)
	}
	fmt.Printf("SHA2-256(stdin)= %x\n", mac.Sum(nil))
}

// curl is `curl -sS -H HEADER -d BODY URL`.
func curl() {
	a := os.Args
	if len(a) != 7 || a[1] != "-sS" || a[2] != "-H" || a[4] != "-d" {
		fail("curl %q is not known to this test", a[1:])
	}
	req, err := http.NewRequest(http.MethodPost, a[6], strings.NewReader(a[5]))
	if err != nil {
		fail("curl: %v", err)
	}
	key, value, _ := strings.Cut(a[3], ": ")
	req.Header.Set(key, value)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fail("curl: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		fail("curl: %v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
