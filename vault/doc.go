// Package vault holds the sealed payload files: it creates, opens and shreds them, and keeps what an upload has to
// put aside meanwhile in sealed staging files.
//
// It must not know policies, events or requests, decide when anything ends, name a file after a link, log, or put
// plaintext, a key or a name into an error. Every file operation goes through pebble's vfs.FS, so that one crash
// clone in a test covers the log and the payloads together.
//
// # Folder
//
//	vault.key              32 random bytes, mode 0600; vault.key.tmp while init writes it
//	<name>                 a finished payload file; name is 160 random bits in base32, 32 characters
//	<name>.tmp             a draft; after a crash a leftover
//	<name>.gone            a file that has been overwritten, on its way out
//	staging/<name>.tmp     a staging file, sealed under a key that exists only in RAM; .gone likewise
//
// # Payload file, version 1
//
// All integers are big-endian. The size of the whole file is Padmé(4096 + items + manifest + 48).
//
//	offset  size  field
//	     0     8  magic "EMBRDROP"                      }
//	     8     2  version, 1                            }
//	    10     1  flags: bit 0 a passphrase is needed   } the public part of the header:
//	    11     1  Argon2id threads   } zero without     } additional data of the wrapped key
//	    12     4  Argon2id passes    } a passphrase     } and of the manifest
//	    16     4  Argon2id KiB       }                  }
//	    20    16  Argon2id salt      }                  }
//	    36    32  server half
//	    68    48  wrapped payload key (AES-256-GCM: 32 bytes, tag 16)
//	   116    32  SHA-256 of the 116 bytes before it: a header that has rotted is told without a key
//	   148  3948  random
//	  4096     *  item 0, item 1, ... each a sealed stream, one behind the other
//	     *     *  manifest, a sealed stream of one chunk
//	     *     *  padding, random
//	size-48   48  trailer, a sealed stream of one chunk with 32 bytes of plaintext
//
// A sealed stream is a run of chunks, each up to 65536 bytes of plaintext in AES-256-GCM with its 16-byte tag behind
// it; all but the last are full, and an empty stream is one empty chunk. Nonce: 7 zero bytes, u32 chunk number from 0,
// u8 1 for the last chunk, else 0.
//
//	additional data of a chunk   version u16 | link id [16] | number u32
//	                             number: the item's, from 0; fffffffe trailer; ffffffff manifest,
//	                             which is followed by the 36 public bytes of the header
//	additional data of the key   the 36 public bytes of the header | link id [16]
//	key                          seal.ItemKey(payload key, n), seal.ManifestKey, seal.TrailerKey
//
// Manifest, plaintext (at most 65536 bytes):
//
//	0  1  version, 1
//	1  4  caption length, then the caption, UTF-8
//	*  2  item count, then for each item:
//	        1  length of its media type, then the media type
//	        8  plaintext bytes
//
// Trailer, plaintext:
//
//	 0  8  where the manifest begins
//	 8  8  sealed size of the manifest
//	16  8  size of the whole file
//	24  8  zero
//
// Sum, which the log keeps, is SHA-256 of everything from offset 4096 to the end: it covers the padding too, and stays
// true when the header page is shredded.
//
// # Staging file
//
// One sealed stream from offset 0 with additional data "emberdrop/v1/staging". Nothing outside of the process that
// wrote it can ever open it.
package vault
