"""The EGFR-CT study workbook: one thin library behind the numbered notebooks."""
