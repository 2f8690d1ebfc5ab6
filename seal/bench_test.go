package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"testing"
	"time"
)

const benchSize = 16 << 20

// against runs work under the benchmark and reports how its speed compares to a baseline on the same machine at the
// same time: speeds alone say more about the machine than about the code.
func against(b *testing.B, name string, baseline, work func()) {
	b.Helper()
	b.SetBytes(benchSize)
	var base, own time.Duration
	for b.Loop() {
		t0 := time.Now()
		baseline()
		t1 := time.Now()
		work()
		base += t1.Sub(t0)
		own += time.Since(t1)
	}
	b.ReportMetric(float64(base)/float64(own), "x"+name)
}

func rawGCM() cipher.AEAD {
	block, _ := aes.NewCipher(testKey[:])
	aead, _ := cipher.NewGCM(block)
	return aead
}

func BenchmarkSeal(b *testing.B) {
	plain, aead, nonce := noise(1, benchSize), rawGCM(), make([]byte, nonceLen)
	out := make([]byte, 0, SealedChunk)
	against(b, "raw-gcm", func() {
		for at := 0; at < benchSize; at += ChunkSize {
			aead.Seal(out, nonce, plain[at:at+ChunkSize], testAAD)
		}
	}, func() {
		w := NewWriter(io.Discard, testKey, testAAD)
		for at := 0; at < benchSize; at += 32 << 10 {
			w.Write(plain[at : at+32<<10])
		}
		w.Close()
	})
}

func openRaw(b *testing.B, sealed []byte) func() {
	aead, buf := rawGCM(), make([]byte, ChunkSize)
	return func() {
		for n := int64(0); n*SealedChunk < int64(len(sealed)); n++ {
			nonce := nonceOf(uint32(n), (n+1)*SealedChunk >= int64(len(sealed)))
			if _, err := aead.Open(buf[:0], nonce[:], sealed[n*SealedChunk:(n+1)*SealedChunk], testAAD); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkOpenStream(b *testing.B) {
	data := sealed(b, testKey, testAAD, noise(1, benchSize))
	buf := make([]byte, 32<<10)
	against(b, "raw-gcm", openRaw(b, data), func() {
		r, _ := NewReader(bytes.NewReader(data), int64(len(data)), testKey, testAAD)
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Stream(), buf); n != benchSize || err != nil {
			b.Fatal(n, err)
		}
	})
}

func BenchmarkOpenReadAt(b *testing.B) {
	data := sealed(b, testKey, testAAD, noise(1, benchSize))
	buf := make([]byte, 1<<20)
	against(b, "raw-gcm", openRaw(b, data), func() {
		r, _ := NewReader(bytes.NewReader(data), int64(len(data)), testKey, testAAD)
		for off := int64(0); off < benchSize; off += int64(len(buf)) {
			if _, err := r.ReadAt(buf, off); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenCopy(b *testing.B) {
	plain := noise(1, benchSize)
	data := sealed(b, testKey, testAAD, plain)
	buf := make([]byte, 32<<10)
	against(b, "io.Copy", func() {
		io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{bytes.NewReader(plain)}, buf)
	}, func() {
		r, _ := NewReader(bytes.NewReader(data), int64(len(data)), testKey, testAAD)
		io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Stream(), buf)
	})
}
