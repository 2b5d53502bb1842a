package blocks

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
)

// SchemaCache remembers the schemas of payloads that were decoded, so that the
// next payload that starts with the same bytes costs a comparison. A stage reads
// one schema all its life; give its decoder one cache. The zero value is ready,
// and it may be used by several goroutines at once.
type SchemaCache struct {
	mu      sync.RWMutex
	entries map[string]*schemaEntry // by the metadata of the schema message
}

// schemaEntry is a schema, read and checked.
type schemaEntry struct {
	schema      *arrow.Schema // of the batch, without the column of offsets
	fingerprint Fingerprint
	hasOffsets  bool
}

// maxSchemas bounds the cache. A pipeline has a handful of schemas; somebody who
// sends more gets no worse service than without a cache.
const maxSchemas = 64

func (c *SchemaCache) get(metadata []byte) *schemaEntry {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[string(metadata)]
}

func (c *SchemaCache) put(metadata []byte, e *schemaEntry) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= maxSchemas {
		c.entries = make(map[string]*schemaEntry)
	}
	c.entries[string(metadata)] = e
}
