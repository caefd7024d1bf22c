package sops

import "errors"

// combine puts a secret together from parts, as Shamir shared it: each part is the values of polynomials, one for each byte of the secret, and at its end
// where they were taken. The secret is what the polynomials are at 0. All is in the field of 256 elements that AES has.
func combine(parts [][]byte) ([]byte, error) {
	if len(parts) < 2 {
		return nil, errors.New("a shared key needs two parts or more")
	}
	n := len(parts[0]) - 1
	at := make([]byte, len(parts))
	seen := map[byte]bool{0: true}
	for i, p := range parts {
		if len(p) != n+1 || n < 1 || seen[p[n]] {
			return nil, errors.New("its parts do not belong together")
		}
		at[i] = p[n]
		seen[p[n]] = true
	}
	out := make([]byte, n)
	for i := range out {
		for j, p := range parts {
			weight := byte(1)
			for k := range parts {
				if k != j {
					weight = multiply(weight, multiply(at[k], inverse(at[j]^at[k])))
				}
			}
			out[i] ^= multiply(p[i], weight)
		}
	}
	return out, nil
}

// multiply multiplies polynomials modulo x⁸+x⁴+x³+x+1, in a time that does not depend on them.
func multiply(a, b byte) byte {
	var out byte
	for range 8 {
		out ^= -(b & 1) & a
		a = a<<1 ^ -(a>>7)&0x1b
		b >>= 1
	}
	return out
}

// inverse is the power of 254: the 255th is 1.
func inverse(a byte) byte {
	out, square := byte(1), a
	for range 7 {
		square = multiply(square, square)
		out = multiply(out, square)
	}
	return out
}
