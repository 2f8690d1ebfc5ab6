package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"emberdrop/seal"
)

// Upload is what to share.
type Upload struct {
	Fields []Line // of the form besides its files: expire, burn, caption, ...
	Files  []File

	// Moved is told how many bytes of the files have been handed to the
	// connection in this try; nil: nobody is. It is called from any goroutine.
	Moved func(int64)
}

// File is content of a known size that can be read again from its beginning.
type File struct {
	Size int64
	Open func() io.Reader
}

// form is an upload's body. It is made of short texts and of files that are read
// while they are sent, so it is never in memory whole, and its length is known
// in advance: the server can refuse what is too large at once, and tell how far
// it is.
type form struct {
	io.Reader
	size int64
}

// Put uploads and returns the server's answer: link, receipt, ends. A try that
// was cut off is repeated under the same upload id, which makes one link however
// many of them arrived. Errors are *Refusal, ErrUnreachable, ErrAnswer, ErrFile.
func (c *Client) Put(ctx context.Context, up Upload) (answer Lines, err error) {
	path := "/up/" + seal.NewToken().String()
	err = c.again(ctx, func() (bool, error) {
		body, kind, err := up.write()
		if err != nil {
			return false, err
		}
		header := http.Header{"Content-Type": {kind}}
		res, err := c.do(ctx, http.MethodPost, path, body, header, http.StatusCreated)
		if err != nil {
			return false, err
		}
		answer, err = c.readLines(res)
		return false, err
	})
	if err != nil {
		return nil, err
	}
	if _, _, err := Split(answer.Get("link")); err != nil {
		return nil, fmt.Errorf("%w: no link in it", ErrAnswer)
	}
	return answer, nil
}

// write makes the form around the files.
func (up *Upload) write() (body *form, kind string, err error) {
	var text strings.Builder
	w := multipart.NewWriter(&text)
	body = &form{}
	var pieces []io.Reader
	flush := func() {
		pieces = append(pieces, strings.NewReader(text.String()))
		body.size += int64(text.Len())
		text.Reset()
	}
	for _, f := range up.Fields {
		err = errors.Join(err, w.WriteField(f.Name, f.Value))
	}
	moved := int64(0)
	for _, f := range up.Files {
		// The same words for every file: its name is nobody's business.
		_, bad := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="file"; filename="file"`},
			"Content-Type":        {"application/octet-stream"},
		})
		err = errors.Join(err, bad)
		flush()
		pieces = append(pieces, &exact{r: f.Open(), left: f.Size, moved: func(n int) {
			if moved += int64(n); up.Moved != nil {
				up.Moved(moved)
			}
		}})
		body.size += f.Size
	}
	err = errors.Join(err, w.Close())
	flush()
	body.Reader = io.MultiReader(pieces...)
	return body, w.FormDataContentType(), err
}

// exact reads just so many bytes. Fewer, or an error, is the file's fault, not
// the connection's.
type exact struct {
	r     io.Reader
	left  int64
	moved func(int)
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	e.moved(n)
	switch {
	case err == io.EOF && e.left > 0:
		return n, fmt.Errorf("%w: it became shorter while it was read", ErrFile)
	case err != nil && err != io.EOF:
		return n, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return n, nil
}
