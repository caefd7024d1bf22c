#!/bin/sh
# Makes the cases of this directory anew, with the real gpg, ssh-keygen and git: sh make.sh. The private keys are thrown away.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'gpgconf --kill all 2>/dev/null; rm -rf "$work"' EXIT
export GNUPGHOME="$work/gnupg" HOME="$work" GIT_CONFIG_NOSYSTEM=1
mkdir -m 700 "$GNUPGHOME"
when=20260601T120000

pgp() { gpg --batch --quiet --faked-system-time "$when!" --pinentry-mode loopback --passphrase '' "$@"; }
pgpkey() { # name, algorithm, expiry
	pgp --quick-generate-key "$1 <$1@example.com>" "$2" sign "$3"
	pgp --armor --export "$1@example.com" > "$work/$1.asc"
}
pgpkey rsa rsa3072 never
pgpkey ed25519 ed25519 never
pgpkey nistp256 nistp256 never
pgpkey expired ed25519 2026-07-01
pgpkey revoked ed25519 never
pgpkey unknown ed25519 never
pgp --quick-generate-key "subkey <subkey@example.com>" ed25519 cert never
pgp --quick-add-key "$(gpg --batch --with-colons --list-keys subkey@example.com | awk -F: '/^fpr/ {print $10; exit}')" ed25519 sign never
pgp --armor --export subkey@example.com > "$work/subkey.asc"

for k in ed25519 rsa ecdsa unknown; do
	t=$k; test $k = unknown && t=ed25519
	ssh-keygen -q -t $t -N '' -C "$k@example.com" -f "$work/ssh-$k"
done

git init -q -b main "$work/repo"
cd "$work/repo"
git config user.name "Ada Lovelace"; git config user.email ada@example.com
echo one > file; git add file
cat > "$work/gpg" <<G
#!/bin/sh
exec gpg --batch --faked-system-time "$when!" --pinentry-mode loopback --passphrase '' "\$@"
G
chmod +x "$work/gpg"
git config gpg.program "$work/gpg"
export GIT_AUTHOR_DATE="2026-06-01T12:00:00Z" GIT_COMMITTER_DATE="2026-06-01T12:00:00Z"

object() { # case: writes the last object and its id
	git cat-file "$2" "$3" > "$here/$1.$2"
}
git commit -q -m "unsigned"; object unsigned commit HEAD
for k in rsa ed25519 nistp256 expired revoked unknown subkey; do
	git -c gpg.format=openpgp -c user.signingkey="$k@example.com" commit -q --allow-empty -S -m "signed with OpenPGP, $k"
	object "pgp-$k" commit HEAD
done
for k in ed25519 rsa ecdsa unknown; do
	git -c gpg.format=ssh -c user.signingkey="$work/ssh-$k" commit -q --allow-empty -S -m "signed with SSH, $k"
	object "ssh-$k" commit HEAD
done
git -c gpg.format=openpgp -c user.signingkey=ed25519@example.com tag -s -m "one" v1.0.0 HEAD; object pgp-tag tag v1.0.0
git -c gpg.format=ssh -c user.signingkey="$work/ssh-ed25519" tag -s -m "two" v2.0.0 HEAD; object ssh-tag tag v2.0.0
git tag -a -m "three" v3.0.0 HEAD; object unsigned tag v3.0.0
git rev-parse HEAD > "$here/tagged"
# A signature of the same key over the same text, made for something else than Git.
git cat-file commit HEAD~3 | sed '/^gpgsig /,/END SSH SIGNATURE/d' > "$work/payload"
ssh-keygen -q -Y sign -n file -f "$work/ssh-ed25519" < "$work/payload" > "$here/other-namespace.sig" 2>/dev/null
git init -q -b main --object-format=sha256 "$work/wide"
cd "$work/wide"
git config user.name "Ada Lovelace"; git config user.email ada@example.com; git config gpg.program "$work/gpg"
git -c gpg.format=ssh -c user.signingkey="$work/ssh-ed25519" commit -q --allow-empty -S -m "signed, with wide ids"
object wide commit HEAD

# The key is revoked after it was used.
fpr=$(gpg --batch --with-colons --list-keys revoked@example.com | awk -F: '/^fpr/ {print $10; exit}')
sed 's/^:-----/-----/' "$GNUPGHOME/openpgp-revocs.d/$fpr.rev" > "$work/rev"
pgp --import "$work/rev"
pgp --armor --export revoked@example.com > "$work/revoked.asc"

cat "$work"/rsa.asc "$work"/ed25519.asc > "$here/keys-two.asc"
for k in nistp256 expired revoked subkey; do cp "$work/$k.asc" "$here/keys-$k.asc"; done
cat "$work"/ssh-ed25519.pub "$work"/ssh-rsa.pub "$work"/ssh-ecdsa.pub > "$here/keys-ssh.pub"
