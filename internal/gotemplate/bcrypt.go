package gotemplate

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // bcrypt is made of it
)

// bcryptCost is the one that Sprig hashes with.
const bcryptCost = 10

var bcryptEncoding = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// bcrypted hashes a password with a salt that is given. That of the library draws its own, and is another hash each time.
func bcrypted(password string, salt []byte) (string, error) {
	key := append([]byte(password), 0)
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return "", err
	}
	for range 1 << bcryptCost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	hash := []byte("OrpheanBeholderScryDoubt")
	for i := 0; i < len(hash); i += 8 {
		for range 64 {
			c.Encrypt(hash[i:i+8], hash[i:i+8])
		}
	}
	return fmt.Sprintf("$2a$%02d$%s%s", bcryptCost, bcryptEncoding.EncodeToString(salt), bcryptEncoding.EncodeToString(hash[:23])), nil
}
