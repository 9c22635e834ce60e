/** One word of a sentence. A quoted one is a name whatever it says. */
export interface Word {
  readonly text: string
  readonly quoted: boolean
  /** Where it begins in the tidied sentence. */
  readonly at: number
}

const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`' }

/**
 * The sentence as a keyboard without good intentions would have written it: straight quotes, plain dashes, plain spaces
 * [Unicode 16, categories Pd, Pi, Pf, Zs]. Phones and chat programs put the others in. A long dash before a word was
 * `--` once.
 */
export function tidy(sentence: string): string {
  return sentence
    .normalize('NFKC')
    .replaceAll(/[\u200b-\u200f\u2060\ufeff]/g, '')
    .replaceAll(/[\u2018\u2019\u201a\u201b\u2039\u203a]/g, "'")
    .replaceAll(/[\u201c\u201d\u201e\u201f\u00ab\u00bb]/g, '"')
    .replaceAll(/(^|\s)[\u2013\u2014\u2015](?=[a-z])/gi, '$1--')
    .replaceAll(/[\u2010-\u2015\u2212]/g, '-')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** The words of a tidied sentence. A quote that is never closed is a character like any other. */
export function wordsOf(sentence: string): Word[] {
  const words: Word[] = []
  for (let at = 0; at < sentence.length; ) {
    const first = sentence.charAt(at)
    if (first === ' ') {
      at++
      continue
    }
    const close = CLOSING[first]
    const end = close === undefined ? -1 : sentence.indexOf(close, at + 1)
    if (end > at + 1) {
      words.push({ text: sentence.slice(at + 1, end), quoted: true, at })
      at = end + 1
      continue
    }
    const space = sentence.indexOf(' ', at)
    const stop = space < 0 ? sentence.length : space
    words.push({ text: sentence.slice(at, stop), quoted: false, at })
    at = stop
  }
  return words
}
