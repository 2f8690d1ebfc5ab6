package match

// The reference takes its 64x64 points at places that are not symmetrical, so a
// mirrored or rotated picture is some pixels off, which for a small picture is
// many bits. That is how hashes are that others publish. Those of our own bank
// are compared among themselves, and are made of true averages instead: they
// differ from PDQ in nothing else, and turning or scaling moves them less.

// evenHashes returns the hashes in eight orientations of the plane's averages.
func (p plane) evenHashes() (out [Orientations]PDQ) {
	d := p.averages().dct()
	for n := range out {
		out[n] = toBits(d.turned(n))
	}
	return out
}

// averages divides the plane into 64x64 fields of equal size and gives the mean
// of each; pixels on a line count for both fields by their part.
func (p plane) averages() *square {
	across := make([]float32, p.h*blocks)
	for y := range p.h {
		average(p.v[y*p.w:], across[y*blocks:], p.w, 1, 1)
	}
	out := new(square)
	var column [blocks]float32
	for x := range blocks {
		average(across[x:], column[:], p.h, blocks, 1)
		for y := range blocks {
			out[y][x] = column[y]
		}
	}
	return out
}

// average makes 64 means of n values; the strides are the distances between
// values of in and of out.
func average(in, out []float32, n, inStride, outStride int) {
	// In units of 1/64 of a value, fields are n wide and values 64.
	for i := range blocks {
		var sum float32
		from, to := i*n, (i+1)*n
		for k := from / blocks; k*blocks < to; k++ {
			part := min((k+1)*blocks, to) - max(k*blocks, from)
			sum += float32(in[k*inStride] * float32(part))
		}
		out[i*outStride] = sum / float32(n)
	}
}
