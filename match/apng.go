package match

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"io"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// framesOfPNG finds the frames of an animated PNG (PNG Third Edition, 11.3.5 and
// 13.14). The picture that other programs show may be the first frame or none.
func framesOfPNG(src *input) (f film, err error) {
	var head, shared []byte // IHDR's data; chunks that a frame's colours need
	var at *pngFrame
	animated := false
	for off := int64(len(pngMagic)); ; {
		var b [8]byte
		if err := src.read(b[:], off); err != nil {
			return f, err
		}
		size, kind, data := int64(binary.BigEndian.Uint32(b[:])), string(b[4:]), off+8
		off = data + size + 4
		switch kind {
		case "IHDR", "PLTE", "tRNS", "fcTL":
			chunk := make([]byte, min(size, 4096))
			if err := src.read(chunk, data); err != nil {
				return f, err
			}
			switch {
			case kind == "IHDR" && len(chunk) == 13:
				head = chunk
				f.canvas = image.Rect(0, 0, int(binary.BigEndian.Uint32(chunk)), int(binary.BigEndian.Uint32(chunk[4:])))
			case kind == "fcTL" && len(chunk) == 26 && head != nil:
				if len(f.frames) == framesMost {
					f.more = true
					return f, nil
				}
				at = &pngFrame{src: src, head: head, shared: &shared, control: chunk}
				f.frames = append(f.frames, at.frame())
			case kind == "fcTL" || kind == "IHDR":
				return f, errFrame
			default:
				shared = appendChunk(shared, kind, chunk)
			}
		case "acTL":
			animated = true
		case "IDAT":
			if !animated { // what makes it one stands before
				return film{}, nil
			}
			if at != nil {
				f.only = true
				at.parts = append(at.parts, [2]int64{data, data + size})
			}
		case "fdAT":
			if at != nil && size >= 4 {
				at.parts = append(at.parts, [2]int64{data + 4, data + size})
			}
		case "IEND":
			return f, nil
		}
	}
}

// pngFrame is a frame of an animated PNG: where its compressed data is.
type pngFrame struct {
	src           *input
	head, control []byte
	shared        *[]byte
	parts         [][2]int64
}

func (p *pngFrame) frame() frame {
	number := func(at int) int { return int(binary.BigEndian.Uint32(p.control[at:])) }
	f := frame{box: image.Rect(0, 0, number(4), number(8)).Add(image.Pt(number(12), number(16))), decode: p.decode, over: p.control[25] == 1}
	switch p.control[24] {
	case 1:
		f.dispose = disposeClear
	case 2:
		f.dispose = disposeBack
	}
	return f
}

func (p *pngFrame) decode() (image.Image, error) {
	head := bytes.Clone(p.head)
	copy(head, p.control[4:12])
	file := append(appendChunk([]byte(pngMagic), "IHDR", head), *p.shared...)
	for _, part := range p.parts {
		data := make([]byte, min(part[1], p.src.size)-min(part[0], p.src.size))
		if _, err := io.ReadFull(p.src.section(part[0], part[1]), data); err != nil {
			return nil, err
		}
		file = appendChunk(file, "IDAT", data)
	}
	return png.Decode(bytes.NewReader(appendChunk(file, "IEND", nil)))
}

func appendChunk(out []byte, kind string, data []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	from := len(out)
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
}
