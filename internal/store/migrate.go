package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to what this program knows. Each step is a transaction: a cut leaves the steps done,
// and the next start goes on. A schema from a newer program is refused.
func migrate(ctx context.Context, pool *sql.DB, dialect goose.Dialect, dir string) error {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_versions"))
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %w", err)
	}
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the schema's version: %w", err)
	}
	if have > know {
		return fmt.Errorf("the database was written by a newer Crieur (schema %d; this program knows up to %d): start that version, or a newer one", have, know)
	}
	if have == know {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("cannot bring the database from schema %d to %d: %w", have, know, err)
	}
	return nil
}
