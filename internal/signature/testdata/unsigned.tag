object 64e23b5a5a2d67e4ded4c6dcd758e52d03bde383
type commit
tag v3.0.0
tagger Ada Lovelace <ada@example.com> 1780315200 +0000

three
