package gotemplate

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"text/template"
	"time"
	_ "time/tzdata" // that a zone is known does not depend on the machine
)

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ascii are the characters that can be printed.
var ascii = func() string {
	var b strings.Builder
	for c := byte(32); c < 127; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()

// generators are the functions of Sprig whose answers are others each time, here drawn, and those that look at the clock or at the zone of the machine.
func (x *execution) generators() template.FuncMap {
	chars := func(function, set string) func(int) (string, error) {
		return func(n int) (string, error) {
			s, err := x.stream(function, n)
			if err != nil {
				return "", err
			}
			return s.chars(n, set), nil
		}
	}
	all := template.FuncMap{
		"randAlphaNum": chars("randAlphaNum", letters+digits),
		"randAlpha":    chars("randAlpha", letters),
		"randNumeric":  chars("randNumeric", digits),
		"randAscii":    chars("randAscii", ascii),
		"randBytes":    x.randBytes,
		"randInt":      x.randInt,
		"shuffle":      x.shuffle,
		"uuidv4":       x.uuidv4,
		"bcrypt":       x.bcrypt,
		"htpasswd":     x.htpasswd,
		"encryptAES":   x.encryptAES,

		"now":          x.now,
		"ago":          x.ago,
		"date":         func(layout string, t any) (string, error) { return x.date(layout, t, "UTC") },
		"date_in_zone": x.date, "dateInZone": x.date,
		"htmlDate":       func(t any) (string, error) { return x.date(time.DateOnly, t, "UTC") },
		"htmlDateInZone": func(t any, zone string) (string, error) { return x.date(time.DateOnly, t, zone) },
		"toDate": func(layout, text string) time.Time {
			t, _ := time.ParseInLocation(layout, text, time.UTC)
			return t
		},
		"mustToDate": func(layout, text string) (time.Time, error) { return time.ParseInLocation(layout, text, time.UTC) },
	}
	for name, f := range x.certificates() {
		all[name] = f
	}
	return all
}

func (x *execution) randBytes(n int) (string, error) {
	s, err := x.stream("randBytes", n)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(s.bytes(max(n, 0))), nil
}

func (x *execution) randInt(low, high int) (int, error) {
	if high <= low {
		return 0, errors.New("randInt takes a larger number after a smaller one")
	}
	s, err := x.stream("randInt", low, high)
	if err != nil {
		return 0, err
	}
	return low + s.below(high-low), nil
}

func (x *execution) shuffle(text string) (string, error) {
	s, err := x.stream("shuffle", text)
	if err != nil {
		return "", err
	}
	runes := []rune(text)
	rand.New(s).Shuffle(len(runes), func(i, j int) { runes[i], runes[j] = runes[j], runes[i] })
	return string(runes), nil
}

func (x *execution) uuidv4() (string, error) {
	s, err := x.stream("uuidv4")
	if err != nil {
		return "", err
	}
	b := s.bytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func (x *execution) bcrypt(password string) (string, error) {
	if len(password) > 72 {
		return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes", nil
	}
	s, err := x.stream("bcrypt", password)
	if err != nil {
		return "", err
	}
	return bcrypted(password, s.bytes(16))
}

func (x *execution) htpasswd(user, password string) (string, error) {
	if strings.Contains(user, ":") {
		return "invalid username: " + user, nil
	}
	hash, err := x.bcrypt(password)
	return user + ":" + hash, err
}

// encryptAES is Sprig's, with a drawn start.
func (x *execution) encryptAES(password, plain string) (string, error) {
	if plain == "" {
		return "", nil
	}
	s, err := x.stream("encryptAES", password, plain)
	if err != nil {
		return "", err
	}
	key := make([]byte, 32)
	copy(key, password)
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	content := append([]byte(plain), strings.Repeat(string(rune(pad)), pad)...)
	out := append(s.bytes(aes.BlockSize), content...)
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], content)
	return base64.StdEncoding.EncodeToString(out), nil
}

// date prints what templates take for a point in time; what is none stands for now.
func (x *execution) date(layout string, at any, zone string) (string, error) {
	t, err := x.point(at)
	if err != nil {
		return "", err
	}
	where, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		where = time.UTC
	}
	return t.In(where).Format(layout), nil
}

func (x *execution) point(at any) (time.Time, error) {
	switch at := at.(type) {
	case time.Time:
		return at, nil
	case *time.Time:
		return *at, nil
	case int64:
		return time.Unix(at, 0), nil
	case int:
		return time.Unix(int64(at), 0), nil
	case int32:
		return time.Unix(int64(at), 0), nil
	}
	return x.now()
}

func (x *execution) ago(at any) (string, error) {
	now, err := x.now()
	if err != nil {
		return "", err
	}
	t, err := x.point(at)
	return now.Sub(t).Round(time.Second).String(), err
}
