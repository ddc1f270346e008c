export interface Measure {
  name: string;
  units: Record<string, number>;
}

/** Each unit with how many of the first one it is. */
export const measures: Record<string, Measure> = {
  length: { name: "Length", units: { metre: 1, kilometre: 1000, mile: 1609.344, foot: 0.3048 } },
  weight: { name: "Weight", units: { kilogram: 1, gram: 0.001, pound: 0.45359237, ounce: 0.028349523125 } },
  volume: { name: "Volume", units: { litre: 1, millilitre: 0.001, pint: 0.568261, gallon: 4.54609 } },
};

export function convert(amount: number, from: string, to: string, { units }: Measure): number {
  return (amount * units[from]) / units[to];
}
