package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/crieur/crieur/internal/announce"
)

// blobs are the bytes of pictures by their hash. However many documents show a picture, it is stored once.
type blobs map[string][]byte

func (b blobs) keep(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	b[hash] = data
	return hash
}

// announcement encodes a without its pictures' bytes.
func (b blobs) announcement(a announce.Announcement) (document, images string, err error) {
	hashes := make([]string, len(a.Images))
	bare := make([]announce.Image, len(a.Images))
	for i, m := range a.Images {
		hashes[i], bare[i] = b.keep(m.Data), m
		bare[i].Data = nil
	}
	a.Images = bare
	return encode(a, hashes)
}

// message encodes m without its pictures' bytes.
func (b blobs) message(m announce.Message) (document, images string, err error) {
	hashes := make([]string, len(m.Images))
	bare := make([]announce.Picture, len(m.Images))
	for i, p := range m.Images {
		hashes[i], bare[i] = b.keep(p.Data), p
		bare[i].Data = nil
	}
	m.Images = bare
	return encode(m, hashes)
}

func encode(document any, hashes []string) (string, string, error) {
	d, err := json.Marshal(document)
	if err != nil {
		return "", "", err
	}
	h, err := json.Marshal(hashes)
	return string(d), string(h), err
}

// putBlobs stores what is not there yet, always in the same order, so that two changes never wait for each other.
func (t *tx) putBlobs(ctx context.Context, b blobs) error {
	for _, hash := range slices.Sorted(maps.Keys(b)) {
		var there int
		found, err := t.one(ctx, `SELECT 1 FROM blobs WHERE hash = ?`, []any{hash}, &there)
		if err == nil && !found {
			_, err = t.exec(ctx, `INSERT INTO blobs (hash, data) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING`, hash, b[hash])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill reads the bytes of a document's pictures and hands each to set.
func (c conn) fill(ctx context.Context, images string, count int, set func(i int, data []byte)) error {
	var hashes []string
	if err := json.Unmarshal([]byte(images), &hashes); err != nil || len(hashes) != count {
		return fmt.Errorf("the list of pictures does not match the document: %q", images)
	}
	for i, hash := range hashes {
		if hash == "" {
			continue
		}
		var data []byte
		found, err := c.one(ctx, `SELECT data FROM blobs WHERE hash = ?`, []any{hash}, &data)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("picture %s is missing", hash)
		}
		set(i, data)
	}
	return nil
}

// readMessage decodes what blobs.message encoded.
func (c conn) readMessage(ctx context.Context, document, images string) (m announce.Message, err error) {
	if err = json.Unmarshal([]byte(document), &m); err != nil {
		return m, err
	}
	return m, c.fill(ctx, images, len(m.Images), func(i int, data []byte) { m.Images[i].Data = data })
}
