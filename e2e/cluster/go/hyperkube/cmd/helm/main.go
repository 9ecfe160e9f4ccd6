// Command helm is helm alone, for the tests of the charts: it compiles in a
// fraction of the time that the whole cluster takes.
package main

import (
	"os"

	"hyperkube/internal/helm"
)

func main() {
	os.Exit(helm.Run())
}
