"""Made-up business documents, one of each format, about one trade between Aster Foods and Birch Packaging."""

from __future__ import annotations

import zlib
from pathlib import Path

_DEMO = Path(__file__).parents[2] / "src/ecluse/demo/documents"

ORDERS = (_DEMO / "orders-4711.edi").read_bytes()
UBL_INVOICE = (_DEMO / "invoice-2026-118.xml").read_bytes()

DESADV = b"""UNB+UNOC:3+BIRCH:ZZ+ASTER:ZZ+261110:1630+5001'
UNH+1+DESADV:D:96A:UN:EAN005'BGM+351+LS-88?+1+9'DTM+137:20261110:102'
RFF+ON:4711'RFF+CT:FRAME-2026-08'NAD+SU+4000002000004::9'NAD+BY+4000001000005::9'NAD+DP+4000001000012::9'
CPS+1'LIN+1++4000002100018:EN'QTY+12:12000'RFF+ON:4711'UNT+12+1'UNZ+1+5001'"""

RECADV = b"""UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261112:0800+5002'
UNH+1+RECADV:D:96A:UN:EAN005'BGM+632+WE-12+9'DTM+137:20261112:102'RFF+DQ:LS-88'RFF+ON:4711'
NAD+BY+4000001000005::9'NAD+SU+4000002000004::9'UNT+8+1'UNZ+1+5002'"""

INVOIC = b"""UNA:+,? 'UNB+UNOC:3+BIRCH:ZZ+ASTER:ZZ+261118:1100+5003++INVOIC++++1'
UNH+1+INVOIC:D:96A:UN:EAN008'BGM+380+2026-118+9'DTM+137:20261118:102'RFF+ON:4711'RFF+DQ:LS-88'
NAD+SU+4000002000004::9++Birch Packaging GmbH:Werk Bremen'RFF+VA:DE123456789'NAD+BY+4000001000005::9++Aster Foods SAS'
RFF+VA:FR00123456789'CUX+2:EUR:4'LIN+1'MOA+203:4242,00'UNS+S'MOA+79:4242,00'MOA+125:4242,00'MOA+124:806,00'
MOA+77:5048,00'MOA+9:5000,00'UNT+18+1'
UNH+2+INVOIC:D:96A:UN:EAN008'BGM+381+2026-119+9'DTM+137:20261119:102'RFF+IV:2026-118'NAD+SU+4000002000004::9'
CUX+2:EUR:4'UNS+S'MOA+77:10,50'UNT+8+2'UNZ+2+5003'"""

REMADV = b"""UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261218:0900+5004'
UNH+1+REMADV:D:96A:UN:EAN005'BGM+481+ZA-7+9'DTM+137:20261218:102'NAD+PR+4000001000005::9++Aster Foods SAS'
NAD+PE+4000002000004::9'CUX+2:EUR:11'DOC+380+2026-118'MOA+12:4242.00'DOC+381+2026-119'MOA+12:-10.50'UNS+S'
MOA+12:4231.50'UNT+12+1'UNZ+1+5004'"""

PAYMUL = b"""UNB+UNOC:3+ASTER:ZZ+BANK:ZZ+261218:0900+5005'
UNH+1+PAYMUL:D:96A:UN'BGM+452+ZA-8+9'DTM+137:20261218:102'LIN+1'DTM+203:20261219:102'MOA+9:4242.00:EUR'
NAD+OY+++ASTER FOODS SAS'SEQ++1'MOA+9:4242.00:EUR'NAD+BE+++BIRCH PACKAGING GMBH'DOC+380+2026-118'CNT+2:1'UNT+13+1'
UNZ+1+5005'"""


def _x12(kind: str, body: str) -> bytes:
    return (
        "ISA*00*          *00*          *ZZ*ASTER          *ZZ*BIRCH          *261103*0915*U*00401*000000001*0*T*>~\n"
        f"GS*XX*ASTER*BIRCH*20261103*0915*1*X*004010~\nST*{kind}*0001~\n{body}SE*9*0001~\nGE*1*1~\nIEA*1*000000001~\n"
    ).encode()


X12_850 = _x12(
    "850", "BEG*00*SA*PO-4711**20261103*FRAME-08~CUR*BY*USD~N1*BY*ASTER FOODS*92*A1~N1*SE*BIRCH~AMT*TT*4242~"
)
X12_855 = _x12("855", "BAK*00*AC*PO-4711*20261104****SO-9~")
X12_856 = _x12("856", "BSN*00*SHIP-1*20261110*1630~HL*1**S~PRF*PO-4711***20261103~REF*BM*BOL7~")
X12_810 = _x12(
    "810", "BIG*20261118*INV-118*20261103*PO-4711~CUR*SE*USD~N1*RI*BIRCH*1*123~IT1*1*5*EA*1~TDS*424200~"
)
X12_820 = _x12(
    "820",
    "BPR*C*4242.00*C*ACH************20261218~TRN*1*PAY-7~CUR*PR*USD~N1*PR*ASTER~RMR*IV*INV-118**4242.00~",
)

_CAC = (
    'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
)


def ubl(root: str, body: str) -> bytes:
    """A UBL document."""
    return f'<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2" {_CAC}>{body}</{root}>'.encode()


UBL_ORDER = ubl(
    "Order",
    "<cbc:ID>4711</cbc:ID><cbc:IssueDate>2026-11-03Z</cbc:IssueDate>"
    "<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>"
    "<cac:Contract><cbc:ID>FRAME-2026-08</cbc:ID></cac:Contract>"
    '<cac:BuyerCustomerParty><cac:Party><cbc:EndpointID schemeID="0088">4000001000005</cbc:EndpointID>'
    "<cac:PartyName><cbc:Name>Aster Foods SAS</cbc:Name></cac:PartyName></cac:Party></cac:BuyerCustomerParty>"
    "<cac:SellerSupplierParty><cac:Party><cac:PartyLegalEntity><cbc:RegistrationName>Birch Packaging GmbH"
    "</cbc:RegistrationName><cbc:CompanyID>HRB 1</cbc:CompanyID></cac:PartyLegalEntity></cac:Party>"
    "</cac:SellerSupplierParty><cac:AnticipatedMonetaryTotal>"
    '<cbc:LineExtensionAmount currencyID="EUR">4242.00</cbc:LineExtensionAmount></cac:AnticipatedMonetaryTotal>',
)
UBL_DESPATCH = ubl(
    "DespatchAdvice",
    "<cbc:ID>LS-88</cbc:ID><cbc:IssueDate>2026-11-10</cbc:IssueDate><cac:OrderReference><cbc:ID>4711</cbc:ID>"
    "<cbc:SalesOrderID>B-1</cbc:SalesOrderID></cac:OrderReference>",
)
UBL_RECEIPT = ubl(
    "ReceiptAdvice",
    "<cbc:ID>WE-12</cbc:ID><cbc:IssueDate>2026-11-12</cbc:IssueDate>"
    "<cac:DespatchDocumentReference><cbc:ID>LS-88</cbc:ID></cac:DespatchDocumentReference>",
)
UBL_CREDIT = ubl(
    "CreditNote",
    "<cbc:ID>G-5</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate><cac:BillingReference>"
    "<cac:InvoiceDocumentReference><cbc:ID>2026-118</cbc:ID></cac:InvoiceDocumentReference></cac:BillingReference>"
    '<cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="JPY">1050</cbc:PayableAmount></cac:LegalMonetaryTotal>',
)

CII = b"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>2026-118</ram:ID><ram:TypeCode>380</ram:TypeCode>
<ram:IssueDateTime><udt:DateTimeString format="102">20261118</udt:DateTimeString></ram:IssueDateTime>
</rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction><ram:IncludedSupplyChainTradeLineItem><ram:SpecifiedTradeProduct>
<ram:Name>Box</ram:Name>
</ram:SpecifiedTradeProduct></ram:IncludedSupplyChainTradeLineItem>
<ram:ApplicableHeaderTradeAgreement>
<ram:SellerTradeParty><ram:GlobalID schemeID="0088">4000002000004</ram:GlobalID>
<ram:Name>Birch Packaging GmbH</ram:Name>
<ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE123456789</ram:ID></ram:SpecifiedTaxRegistration>
</ram:SellerTradeParty>
<ram:BuyerTradeParty><ram:Name>Aster Foods SAS</ram:Name></ram:BuyerTradeParty>
<ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>4711</ram:IssuerAssignedID></ram:BuyerOrderReferencedDocument>
<ram:ContractReferencedDocument><ram:IssuerAssignedID>FRAME-2026-08</ram:IssuerAssignedID>
</ram:ContractReferencedDocument>
</ram:ApplicableHeaderTradeAgreement><ram:ApplicableHeaderTradeDelivery><ram:DespatchAdviceReferencedDocument>
<ram:IssuerAssignedID>LS-88</ram:IssuerAssignedID></ram:DespatchAdviceReferencedDocument>
</ram:ApplicableHeaderTradeDelivery>
<ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:TaxBasisTotalAmount>4242.00</ram:TaxBasisTotalAmount>
<ram:TaxTotalAmount currencyID="EUR">806.00</ram:TaxTotalAmount><ram:GrandTotalAmount>5048.00</ram:GrandTotalAmount>
<ram:DuePayableAmount>5000.00</ram:DuePayableAmount></ram:SpecifiedTradeSettlementHeaderMonetarySummation>
</ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>"""

PAIN = b"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr>
<MsgId>ZA-9</MsgId>
<CreDtTm>2026-12-18T09:00:00</CreDtTm><NbOfTxs>2</NbOfTxs><CtrlSum>4252.50</CtrlSum><InitgPty><Nm>Aster</Nm>
</InitgPty>
</GrpHdr><PmtInf><PmtInfId>1</PmtInfId><Dbtr><Nm>Aster Foods SAS</Nm></Dbtr><DbtrAcct><Id><IBAN>FR7612345</IBAN></Id>
</DbtrAcct><CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">4242.00</InstdAmt></Amt>
<Cdtr><Nm>Birch Packaging GmbH</Nm></Cdtr><RmtInf><Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp>
<Nb>2026-118</Nb></RfrdDocInf></Strd></RmtInf></CdtTrfTxInf><CdtTrfTxInf><Amt><InstdAmt Ccy="EUR">10.50</InstdAmt>
</Amt>
<Cdtr><Nm>Birch Packaging GmbH</Nm></Cdtr><RmtInf><Ustrd>Invoice 2026-120, thanks</Ustrd></RmtInf></CdtTrfTxInf>
</PmtInf>
</CstmrCdtTrfInitn></Document>"""

CAMT = b"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn><GrpHdr>
<MsgId>N-1</MsgId>
<CreDtTm>2026-12-19T06:00:00+01:00</CreDtTm></GrpHdr><Ntfctn><Id>1</Id><Ntry><Amt Ccy="EUR">4242.00</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><NtryDtls><TxDtls><Amt Ccy="EUR">4242.00</Amt><RltdPties><Dbtr><Pty>
<Nm>Aster Foods SAS</Nm>
</Pty></Dbtr></RltdPties><RmtInf><Ustrd>RG 2026-118</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Ntfctn>
</BkToCstmrDbtCdtNtfctn></Document>"""

SBDH = (
    b'<sh:StandardBusinessDocument xmlns:sh="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader">'
    b"<sh:StandardBusinessDocumentHeader><sh:Sender><sh:Identifier>0088:4000002000004</sh:Identifier></sh:Sender>"
    b"<sh:Receiver><sh:Identifier>0088:4000001000005</sh:Identifier></sh:Receiver><sh:DocumentIdentification>"
    b"<sh:InstanceIdentifier>uuid-1</sh:InstanceIdentifier><sh:CreationDateAndTime>2026-11-18T11:00:00Z"
    b"</sh:CreationDateAndTime></sh:DocumentIdentification></sh:StandardBusinessDocumentHeader>"
    + UBL_INVOICE.partition(b"?>")[2]
    + b"</sh:StandardBusinessDocument>"
)


def facturx(invoice: bytes = CII) -> bytes:
    """A file with the bones of a Factur-X PDF: its invoice is in there."""
    deflated = zlib.compress(invoice)
    return b"".join(
        (
            b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
            b"2 0 obj\n<< /Length 12 >>\nstream\nBT (x) Tj ET\nendstream\nendobj\n",
            b"3 0 obj\n<< /Type /EmbeddedFile /Subtype /text#2Fxml /Filter /FlateDecode ",
            b"/Params << /Size %d >> /Length %d >>\nstream\r\n" % (len(invoice), len(deflated)),
            deflated,
            b"\nendstream\nendobj\ntrailer << /Root 1 0 R >>\nstartxref\n0\n%%EOF\n",
        )
    )


FACTURX = facturx()

ALL = {
    name: value
    for name, value in sorted(globals().items())
    if name.isupper() and not name.startswith("_") and isinstance(value, bytes)
}
"""Every sample by name."""
