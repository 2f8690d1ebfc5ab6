package strip

import "bytes"

type huffman struct{}
type blockMap struct{}
type jpegWalk struct{}

func newHuffman(body []byte, dc bool) (*huffman, error) { return &huffman{}, nil }

// scanData copies the entropy-coded bytes of a scan up to the next marker that
// is not a restart.
func (j *jpegFile) scanData(s *jpegScan) error {
	start := j.off
	for j.off < j.in.size {
		b, err := j.in.rest(j.off, windowSize)
		if err != nil {
			return err
		}
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			j.off += int64(len(b))
			continue
		}
		j.off += int64(i)
		if j.off+2 > j.in.size {
			return damaged("ends within the picture data")
		}
		if b, err = j.in.bytes(j.off, 2); err != nil {
			return err
		}
		if b[1] != 0 && (b[1] < mRST0 || b[1] > mRST7) {
			return j.in.copy(j.out, start, j.off-start)
		}
		j.off += 2
	}
	return damaged("ends within the picture data")
}
