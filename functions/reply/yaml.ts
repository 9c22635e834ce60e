import { Document, isScalar, Scalar, visit } from 'yaml'
import type { KubeObject } from '../../shared/cluster/port.ts'

/**
 * Strings the library would write so that some reader gets another value: sexagesimal numbers to YAML 1.1 (go-yaml's
 * isBase60Float), octal ones to YAML 1.2, and blocks that begin with space.
 */
const NEEDS_QUOTES = /^(?:[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|0o[0-7]+|\s[\s\S]*\n[\s\S]*)$/

/**
 * As `kubectl get -o yaml` prints: names sorted, two spaces, lists not indented, strings plain unless YAML 1.1 or 1.2
 * would read them as something else.
 */
export function writeYaml(value: unknown): string {
  const document = new Document(value, {
    version: '1.1',
    schema: 'yaml-1.1',
    sortMapEntries: true,
    aliasDuplicateObjects: false,
  })
  visit(document, {
    Scalar(_key, node) {
      if (isScalar(node) && typeof node.value === 'string' && NEEDS_QUOTES.test(node.value))
        node.type = Scalar.QUOTE_DOUBLE
    },
  })
  document.directives = undefined as never
  return document.toString({ indentSeq: false, lineWidth: 0, singleQuote: false })
}

/** Several objects, as kubectl prints them; `token` continues a page that is not the last. */
export function writeYamlList(objects: readonly KubeObject[], token?: string): string {
  const metadata = { ...(token === undefined ? {} : { continue: token }), resourceVersion: '' }
  return writeYaml({ apiVersion: 'v1', items: objects, kind: 'List', metadata })
}
