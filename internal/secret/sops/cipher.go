package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	mark    = "ENC[AES256_GCM,"
	ivBytes = 32
	// keyBytes is the length of a data key.
	keyBytes = 32
)

// IsCiphertext reports whether a text is a value as SOPS encrypts it.
func IsCiphertext(text string) bool {
	return strings.HasPrefix(text, mark+"data:") && strings.HasSuffix(text, "]")
}

// sealed is an encrypted value.
type sealed struct {
	data, iv, tag []byte
	kind          string
}

var (
	errForm    = errors.New("it has not the form that SOPS writes")
	errChanged = errors.New("it was changed since it was encrypted, or moved to another key")
)

func parseSealed(text string) (sealed, error) {
	body, ok := strings.CutPrefix(text, mark)
	body, closed := strings.CutSuffix(body, "]")
	parts := strings.Split(body, ",")
	if !ok || !closed || len(parts) != 4 {
		return sealed{}, errForm
	}
	var raw [3][]byte
	for i, name := range []string{"data:", "iv:", "tag:"} {
		value, ok := strings.CutPrefix(parts[i], name)
		if !ok {
			return sealed{}, errForm
		}
		var err error
		if raw[i], err = base64.StdEncoding.DecodeString(value); err != nil {
			return sealed{}, errForm
		}
	}
	kind, ok := strings.CutPrefix(parts[3], "type:")
	if !ok || len(raw[1]) == 0 || len(raw[1]) > 2*ivBytes || len(raw[2]) != aes.BlockSize {
		return sealed{}, errForm
	}
	return sealed{raw[0], raw[1], raw[2], kind}, nil
}

// decrypt returns the value behind a text, and whether it was a comment. An empty text stands for itself.
func decrypt(text string, key []byte, additional string) (value any, isComment bool, err error) {
	if text == "" {
		return "", false, nil
	}
	s, err := parseSealed(text)
	if err != nil {
		return nil, false, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false, err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(s.iv))
	if err != nil {
		return nil, false, err
	}
	plain, err := gcm.Open(nil, s.iv, append(s.data, s.tag...), []byte(additional))
	if err != nil {
		return nil, false, errChanged
	}
	value, err = typed(s.kind, string(plain))
	return value, s.kind == "comment", err
}

// typed reads a decrypted value. An error of strconv would show it.
func typed(kind, plain string) (any, error) {
	var value any
	var err error
	switch kind {
	case "str", "bytes", "comment":
		value = plain
	case "int":
		value, err = strconv.Atoi(plain)
	case "float":
		value, err = strconv.ParseFloat(plain, 64)
	case "bool":
		value, err = strconv.ParseBool(plain)
	case "time":
		var t time.Time
		err = t.UnmarshalText([]byte(plain))
		value = t
	default:
		return nil, errors.New("its type is none that SOPS writes")
	}
	if err != nil {
		return nil, errors.New("what it decrypts to has not the type that it names")
	}
	return value, nil
}

// encrypt is the reverse of decrypt.
func encrypt(value any, isComment bool, key []byte, additional string) (string, error) {
	kind := ""
	switch value.(type) {
	case string:
		kind = "str"
	case int:
		kind = "int"
	case float64:
		kind = "float"
	case bool:
		kind = "bool"
	case time.Time:
		kind = "time"
	}
	if isComment {
		kind = "comment"
	}
	if value == "" {
		return "", nil
	}
	iv := make([]byte, ivBytes)
	_, _ = rand.Read(iv) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, ivBytes)
	if err != nil {
		return "", err
	}
	out := gcm.Seal(nil, iv, []byte(textOf(value)), []byte(additional))
	body, tag := out[:len(out)-aes.BlockSize], out[len(out)-aes.BlockSize:]
	b64 := base64.StdEncoding.EncodeToString
	return mark + "data:" + b64(body) + ",iv:" + b64(iv) + ",tag:" + b64(tag) + ",type:" + kind + "]", nil
}
